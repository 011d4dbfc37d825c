import { readdir, readFile, readlink } from "node:fs/promises";

/**
 * Datagrams that the kernel has dropped on this process's UDP sockets for want of room, by the last column of
 * `/proc/net/udp`; 0 where there is no such file.
 */
export async function kernelDrops(): Promise<number> {
  try {
    const [own, ...tables] = await Promise.all([
      ownSockets(),
      readFile("/proc/net/udp", "latin1"),
      readFile("/proc/net/udp6", "latin1").catch(() => ""),
    ]);
    return dropsOf(tables.join("\n"), own);
  } catch {
    return 0;
  }
}

/** Sums the drops of the sockets with these inodes. The columns: … 9 inode, 10 ref, 11 pointer, 12 drops. */
export function dropsOf(table: string, inodes: ReadonlySet<string>): number {
  let drops = 0;
  for (const line of table.split("\n")) {
    const columns = line.trim().split(/\s+/);
    if (inodes.has(columns[9] ?? "")) drops += Number(columns[12] ?? 0);
  }
  return drops;
}

/** Inodes of the sockets that this process has open. Several processes share a port, so that the port does not tell. */
async function ownSockets(): Promise<Set<string>> {
  const folder = "/proc/self/fd";
  const links = (await readdir(folder)).map((name) => readlink(`${folder}/${name}`).catch(() => ""));
  const inodes = (await Promise.all(links)).map((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1]);
  return new Set(inodes.filter((inode) => inode !== undefined));
}
