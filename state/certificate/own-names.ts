import { networkInterfaces } from "node:os";
import type { Config } from "#common/config.ts";

/** The names and addresses, besides the domain, that clients may know us by: what a certificate of our own stands for. */
export function ownNames({ host, sip }: Pick<Config, "host" | "sip">): string[] {
  const names = new Set<string>(["localhost", "127.0.0.1", "::1"]);
  const advertised = sip.advertised?.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  if (advertised !== undefined) names.add(advertised);
  if (host !== "0.0.0.0" && host !== "::") names.add(host);
  else
    for (const list of Object.values(networkInterfaces()))
      // Link-local ones hold a zone that no certificate can.
      for (const { address } of list ?? []) if (!address.startsWith("fe80:")) names.add(address);
  return [...names];
}
