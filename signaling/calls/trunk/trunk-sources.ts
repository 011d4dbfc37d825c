import { BlockList, isIP } from "node:net";
import type { Trunk } from "#state/directory/trunk-schema.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";

/** Where the calls of one trunk come from. */
export interface Sources {
  includes(source: Pick<Flow, "host" | "port">): boolean;
}

/** Where everybody has the same address, and a peer is told by its port. */
export const isLoopback = (host: string): boolean => host === "127.0.0.1" || host === "::1";
const familyOf = (host: string) => (isIP(host) === 6 ? "ipv6" : "ipv4");

/**
 * A trunk's peers by address, and its further hosts. A carrier may send from any port, but on the loopback, where
 * everybody has the same address, only the peer's own port is the peer.
 *
 * @param peers addresses of its peers
 * @param named addresses of its hosts that are DNS names
 */
export function sourcesOf(
  trunk: Pick<Trunk, "hosts">,
  peers: readonly Flow[],
  named: readonly string[],
): Sources {
  const networks = new BlockList();
  const add = (text: string) => {
    const [address = "", bits] = text.split("/");
    if (isIP(address) === 0) return;
    const longest = isIP(address) === 6 ? 128 : 32;
    const length = bits === undefined ? longest : Number(bits);
    // A length that no network has names none.
    if (length <= longest) networks.addSubnet(address, length, familyOf(address));
  };
  for (const host of [...trunk.hosts, ...named]) add(host);
  for (const { host } of peers) if (!isLoopback(host)) add(host);
  const local = new Set(
    peers.filter(({ host }) => isLoopback(host)).map(({ host, port }) => `${host} ${port}`),
  );
  return {
    includes: ({ host, port }) =>
      isIP(host) !== 0 && (networks.check(host, familyOf(host)) || local.has(`${host} ${port}`)),
  };
}
