import { createHmac } from "node:crypto";
import { isIP } from "node:net";
import { trunkSchema, type Trunk } from "#state/directory/trunk-schema.ts";
import type { Logger } from "#common/log.ts";
import type { SipUri } from "#signaling/edge/message/uri.ts";
import { parseUri } from "#signaling/edge/message/uri.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { lookupUri, peerOf, type Peer } from "./trunk-peer.ts";
import { sourcesOf, type Sources } from "./trunk-sources.ts";

/** A trunk that is in use, with what DNS says of it. */
export interface OpenTrunk {
  readonly trunk: Trunk;
  readonly peers: readonly Peer[];
  /** Addresses of each peer, by its text, best first. */
  readonly addresses: ReadonlyMap<string, readonly Flow[]>;
  readonly sources: Sources;
  /** User part of the contact that is registered with its peers: nobody else can know it. */
  readonly contactUser: string;
}

export interface TrunkBook {
  /** Every trunk in use as last read; reads them when nobody has. */
  trunks(): Promise<readonly OpenTrunk[]>;
  /** Reads them again. */
  refresh(): Promise<readonly OpenTrunk[]>;
}

export interface TrunkBookOptions {
  readonly secret: string;
  readonly list: () => Promise<readonly unknown[]>;
  readonly resolve: (uri: SipUri) => Promise<readonly Flow[]>;
  readonly log: Logger;
  /** Told of the trunks in use whenever they have been read. */
  readonly opened?: (trunks: readonly OpenTrunk[]) => void;
}

/** The trunks of the directory in memory: every INVITE is held against their addresses. */
export function openTrunkBook({ secret, list, resolve, log, opened }: TrunkBookOptions): TrunkBook {
  let known: Promise<readonly OpenTrunk[]> | undefined;
  let previous: readonly OpenTrunk[] = [];

  const addressesOf = async (uri: SipUri | undefined): Promise<readonly Flow[]> =>
    uri === undefined ? [] : resolve(uri).catch(() => []);

  const open = async (trunk: Trunk): Promise<OpenTrunk> => {
    const peers = trunk.peers.map(peerOf);
    const before = previous.find((one) => one.trunk.id === trunk.id);
    const addresses = new Map<string, readonly Flow[]>();
    for (const peer of peers) {
      const { host, port, transport } = peer;
      const numeric = isIP(host) !== 0;
      const found = numeric
        ? [{ transport, host, port: port ?? (transport === "tls" ? 5_061 : 5_060) }]
        : await addressesOf(lookupUri(peer));
      // DNS that fails for a moment does not make a peer a stranger.
      addresses.set(peer.text, found.length > 0 ? found : (before?.addresses.get(peer.text) ?? []));
    }
    const names = trunk.hosts.filter((host) => isIP(host.split("/", 1)[0] ?? "") === 0);
    const named = (await Promise.all(names.map((name) => addressesOf(parseUri(`sip:${name}:5060`))))).flat();
    return {
      trunk,
      peers,
      addresses,
      sources: sourcesOf(
        trunk,
        [...addresses.values()].flat(),
        named.map(({ host }) => host),
      ),
      contactUser: `t${createHmac("sha256", secret).update(`trunk-contact|${trunk.id}`).digest("hex").slice(0, 20)}`,
    };
  };

  const read = async (): Promise<readonly OpenTrunk[]> => {
    const trunks = (await list()).flatMap((stored) => {
      const parsed = trunkSchema.safeParse(stored);
      if (!parsed.success)
        log.warn({ problem: parsed.error.issues[0]?.message }, "stored trunk is not in order");
      return parsed.success && parsed.data.enabled ? [parsed.data] : [];
    });
    previous = await Promise.all(trunks.map(open));
    opened?.(previous);
    return previous;
  };

  return {
    trunks: () => (known ??= begin()),
    refresh: () => begin(),
  };

  /** The older reading stands until the new one is there, and when it fails. */
  function begin(): Promise<readonly OpenTrunk[]> {
    const reading = read();
    known ??= reading;
    return reading.then(
      (trunks) => {
        known = Promise.resolve(trunks);
        return trunks;
      },
      (error: unknown) => {
        if (known === reading) known = undefined;
        throw error;
      },
    );
  }
}

/** The trunk that a message came from by its address; of several at one address, the one whose contact or number it asks for. */
export function trunkAt(
  trunks: readonly OpenTrunk[],
  source: Flow,
  requestUri: SipUri | undefined,
  takes: (trunk: OpenTrunk) => boolean,
): OpenTrunk | undefined {
  const there = trunks.filter(({ sources }) => sources.includes(source));
  return there.find(({ contactUser }) => contactUser === requestUri?.user) ?? there.find(takes) ?? there[0];
}
