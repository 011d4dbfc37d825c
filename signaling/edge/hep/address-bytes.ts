/** The bytes of an IP address as text: 4, 16, or none for a name. */
export function addressBytes(host: string): Uint8Array | undefined {
  const four = bytesOf4(host);
  if (four || !host.includes(":")) return four;
  const mapped = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(host);
  const tail = mapped && bytesOf4(mapped[2] ?? "");
  const text =
    mapped && tail ? `${mapped[1] ?? ""}${hex(tail, 0)}:${hex(tail, 2)}` : host.replace(/%.*$/, "");
  const [left = "", right] = text.split("::");
  const groups = (part: string): string[] => (part === "" ? [] : part.split(":"));
  const [head, end] = [groups(left), groups(right ?? "")];
  const gap = right === undefined ? 0 : 8 - head.length - end.length;
  const all = [...head, ...new Array<string>(Math.max(0, gap)).fill("0"), ...end];
  if (all.length !== 8 || all.some((group) => !/^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return Uint8Array.from(
    all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]),
  );
}

function bytesOf4(host: string): Uint8Array | undefined {
  const parts = host.split(".");
  if (parts.length !== 4 || parts.some((part) => !/^\d{1,3}$/.test(part) || Number(part) > 255))
    return undefined;
  return Uint8Array.from(parts.map(Number));
}

const hex = (bytes: Uint8Array, at: number): string =>
  (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)).toString(16);
