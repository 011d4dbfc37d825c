import { lookup, Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import { LRUCache } from "lru-cache";
import type { SipUri } from "#signaling/edge/message/uri.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";

/** What is asked of DNS; tests put names of their own here. */
export interface NameService {
  srv(name: string): Promise<readonly { name: string; port: number; priority: number; weight: number }[]>;
  addresses(host: string): Promise<readonly string[]>;
}

/** RFC 3261 §19.1.2 */
const DEFAULT_PORTS = { udp: 5_060, tcp: 5_060, tls: 5_061 } as const;
/** RFC 3263 §4.2 */
const SERVICES = { udp: "_sip._udp", tcp: "_sip._tcp", tls: "_sips._tcp" } as const;
type Reachable = keyof typeof DEFAULT_PORTS;
/** Answers are kept this long: DNS must not be asked for each INVITE of a busy trunk. */
const CACHE_MS = 30_000;
const MAX_NAMES = 1_000;
const MAX_TARGETS = 8;

/** Finds the addresses of a request's next hop, best first (RFC 3263, without NAPTR: the transport is in the URI or UDP). */
export function createTargetResolver(
  names: NameService = systemNames(),
): (uri: SipUri) => Promise<readonly Flow[]> {
  const cache = new LRUCache<string, readonly Flow[]>({ max: MAX_NAMES, ttl: CACHE_MS });

  const find = async (
    host: string,
    port: number | undefined,
    transport: Reachable,
  ): Promise<readonly Flow[]> => {
    const at = async (name: string, targetPort: number): Promise<Flow[]> =>
      (await names.addresses(name).catch(() => [])).map((address) => ({
        transport,
        host: address,
        port: targetPort,
        ...(transport === "tls" && { name: host }),
      }));
    if (port === undefined) {
      const records = [...(await names.srv(`${SERVICES[transport]}.${host}`).catch(() => []))]
        .filter((record) => record.name !== "" && record.name !== ".")
        .sort((a, b) => a.priority - b.priority || b.weight - a.weight);
      const targets = (
        await Promise.all(records.slice(0, MAX_TARGETS).map((record) => at(record.name, record.port)))
      ).flat();
      if (targets.length > 0) return targets.slice(0, MAX_TARGETS);
    }
    return (await at(host, port ?? DEFAULT_PORTS[transport])).slice(0, MAX_TARGETS);
  };

  return async (uri) => {
    const transport = transportOf(uri);
    if (!transport) return [];
    const host = uri.params.get("maddr") ?? uri.host;
    if (isIP(host) !== 0) return [{ transport, host, port: uri.port ?? DEFAULT_PORTS[transport] }];
    const key = `${transport}:${host}:${uri.port ?? ""}`;
    const known = cache.get(key);
    if (known) return known;
    const found = await find(host, uri.port, transport);
    if (found.length > 0) cache.set(key, found);
    return found;
  };
}

/** What `sips` asks for is TLS, whatever else the URI says (RFC 3261 §26.2.2). */
function transportOf({ scheme, params }: SipUri): Reachable | undefined {
  const named = (params.get("transport") ?? (scheme === "sips" ? "tls" : "udp")).toLowerCase();
  if (scheme === "sips") return named === "tls" || named === "tcp" ? "tls" : undefined;
  return scheme === "sip" && Object.hasOwn(DEFAULT_PORTS, named) ? (named as Reachable) : undefined;
}

function systemNames(): NameService {
  const resolver = new Resolver({ timeout: 1_000, tries: 2 });
  return {
    srv: (name) => resolver.resolveSrv(name),
    addresses: async (host) =>
      (await lookup(host, { all: true, order: "ipv4first" })).map(({ address }) => address),
  };
}
