import { networkInterfaces } from "node:os";

/** An address of a dual-stack socket as peers write it: `::ffff:192.0.2.1` → `192.0.2.1`. */
export const plainAddress = (address: string): string =>
  address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;

/** The address that others can reach us at when we listen on all of them. */
export function reachableAddress(host: string): string {
  if (host !== "0.0.0.0" && host !== "::") return host;
  const family = host === "::" ? "IPv6" : "IPv4";
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return (
    addresses.find((address) => address.family === family && !address.internal)?.address ??
    (family === "IPv6" ? "::1" : "127.0.0.1")
  );
}
