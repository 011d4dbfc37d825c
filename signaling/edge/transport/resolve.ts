import { lookup, Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import { LRUCache } from "lru-cache";
import type { SipUri } from "#signaling/edge/message/uri.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";

/** What is asked of DNS; tests put names of their own here. */
export interface NameService {
  srv(name: string): Promise<readonly { name: string; port: number; priority: number; weight: number }[]>;
  addresses(host: string): Promise<readonly string[]>;
  naptr?(name: string): Promise<readonly Naptr[]>;
}

interface Naptr {
  readonly flags: string;
  readonly service: string;
  readonly replacement: string;
  readonly order: number;
  readonly preference: number;
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

/** RFC 3263 §4.1: NAPTR services by the transport that they name. */
const NAPTR_SERVICES: Readonly<Record<string, Reachable>> = {
  "SIP+D2U": "udp",
  "SIP+D2T": "tcp",
  "SIPS+D2T": "tls",
};

/** Finds the addresses of a request's next hop, best first (RFC 3263). */
export function createTargetResolver(
  names: NameService = systemNames(),
  random: () => number = Math.random,
): (uri: SipUri) => Promise<readonly Flow[]> {
  const cache = new LRUCache<string, readonly Flow[]>({ max: MAX_NAMES, ttl: CACHE_MS });

  /** The services of a name in the order of its owner, by NAPTR; without it those that we would ask for ourselves. */
  const servicesOf = async (host: string, secure: boolean): Promise<readonly [name: string, Reachable][]> => {
    const records = [...((await names.naptr?.(host).catch(() => [])) ?? [])]
      .filter(({ flags }) => flags.toLowerCase() === "s")
      .sort((a, b) => a.order - b.order || a.preference - b.preference);
    const told = records.flatMap(({ service, replacement }): [string, Reachable][] => {
      const transport = NAPTR_SERVICES[service.toUpperCase()];
      return transport && (!secure || transport === "tls") ? [[replacement, transport]] : [];
    });
    if (told.length > 0) return told.slice(0, MAX_TARGETS);
    const ours: Reachable[] = secure ? ["tls"] : ["udp", "tcp"];
    return ours.map((transport) => [`${SERVICES[transport]}.${host}`, transport]);
  };

  const find = async (
    host: string,
    port: number | undefined,
    transport: Reachable,
    named: boolean,
  ): Promise<readonly Flow[]> => {
    const at = async (name: string, targetPort: number, by = transport): Promise<Flow[]> =>
      (await names.addresses(name).catch(() => [])).map((address) => ({
        transport: by,
        host: address,
        port: targetPort,
        ...(by === "tls" && { name: host }),
      }));
    if (port === undefined) {
      const services = named
        ? ([[`${SERVICES[transport]}.${host}`, transport]] as const)
        : await servicesOf(host, transport === "tls");
      const targets: Flow[] = [];
      for (const [service, by] of services) {
        if (targets.length >= MAX_TARGETS) break;
        const records = inTurn(await names.srv(service).catch(() => []), random).slice(0, MAX_TARGETS);
        targets.push(...(await Promise.all(records.map((one) => at(one.name, one.port, by)))).flat());
      }
      if (targets.length > 0) return targets.slice(0, MAX_TARGETS);
    }
    return (await at(host, port ?? DEFAULT_PORTS[transport])).slice(0, MAX_TARGETS);
  };

  return async (uri) => {
    const transport = transportOf(uri);
    if (!transport) return [];
    const host = uri.params.get("maddr") ?? uri.host;
    if (isIP(host) !== 0) return [{ transport, host, port: uri.port ?? DEFAULT_PORTS[transport] }];
    const named = uri.params.has("transport");
    const key = `${transport}:${named ? "" : "any"}:${host}:${uri.port ?? ""}`;
    const known = cache.get(key);
    if (known) return known;
    const found = await find(host, uri.port, transport, named);
    if (found.length > 0) cache.set(key, found);
    return found;
  };
}

/** RFC 2782: by priority, and within one drawn by weight; those of weight 0 are hardly ever first. */
function inTurn<T extends { name: string; priority: number; weight: number }>(
  records: readonly T[],
  random: () => number,
): readonly T[] {
  return records
    .filter(({ name }) => name !== "" && name !== ".")
    .map((record) => ({ record, turn: -Math.log(1 - random()) / Math.max(record.weight, 0.01) }))
    .sort((a, b) => a.record.priority - b.record.priority || a.turn - b.turn)
    .map(({ record }) => record);
}

/** What `sips` asks for is TLS, whatever else the URI says (RFC 3261 §26.2.2). */
function transportOf({ scheme, params }: SipUri): Reachable | undefined {
  const named = (params.get("transport") ?? (scheme === "sips" ? "tls" : "udp")).toLowerCase();
  if (scheme === "sips") return named === "tls" || named === "tcp" ? "tls" : undefined;
  return scheme === "sip" && Object.hasOwn(DEFAULT_PORTS, named) ? (named as Reachable) : undefined;
}

/** DNS; of these servers alone when any are named. */
export function systemNames(servers: readonly string[] = []): NameService {
  const resolver = new Resolver({ timeout: 1_000, tries: 2 });
  if (servers.length > 0) resolver.setServers(servers);
  const known = async (host: string): Promise<readonly string[]> => {
    const none = (): string[] => [];
    const [four, six] = await Promise.all([
      resolver.resolve4(host).catch(none),
      resolver.resolve6(host).catch(none),
    ]);
    return [...four, ...six];
  };
  return {
    naptr: (name) => resolver.resolveNaptr(name),
    srv: (name) => resolver.resolveSrv(name),
    addresses: async (host) =>
      servers.length > 0
        ? known(host)
        : (await lookup(host, { all: true, order: "ipv4first" })).map(({ address }) => address),
  };
}
