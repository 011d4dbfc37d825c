import { lookup } from "node:dns/promises";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `host:port` or `[v6]:port`, as the directory has checked it. */
export function splitAddress(text: string): Address {
  const at = text.lastIndexOf(":");
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(text.slice(at + 1)) };
}

/** The same with its name looked up, so that a packet's source can be compared with it. */
export async function resolveAddress(text: string): Promise<Address> {
  const { host, port } = splitAddress(text);
  return { host: (await lookup(host)).address, port };
}
