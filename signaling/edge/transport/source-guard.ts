import { LRUCache } from "lru-cache";
import type { Clock } from "#common/clock.ts";
import type { Conduct, Offence } from "#signaling/sip-port/conduct.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";

export interface GuardLimits {
  /** Messages a second from one address. */
  readonly messagesPerSecond: number;
  readonly banMs: number;
  /** Addresses that are never banned: monitoring, an office. Peers of trunks are trusted, see `Conduct`. */
  readonly neverBanned: ReadonlySet<string>;
}

/** An address that is not read any more, or hardly. */
export interface Ban {
  readonly host: string;
  readonly untilMs: number;
  readonly offence: Offence;
  /** It offended over a connection, so the address is its own. Over UDP anybody may have written it on the packet. */
  readonly proven: boolean;
}

export interface SourceGuard extends Conduct {
  /** Called for every message: whether it is to be read. */
  admit(flow: Flow): "read" | "rate-limited" | "banned";
  /** True when this very flow has proved who it is. */
  isProved(flow: Flow): boolean;
  /** True for a source that is never banned and has limits of its own: a peer of a trunk. */
  isTrusted(source: Pick<Flow, "host" | "port">): boolean;
  /** False when an address may not open connections. */
  mayConnect(host: string): boolean;
  /** The bans of the whole cluster: those of ours that are not among them any more are lifted. */
  replaceBans(bans: readonly Ban[]): void;
  readonly bans: readonly Ban[];
}

/** Points that make a ban, and what each offence costs. */
const LIMIT = 100;
const POINTS: Readonly<Record<Offence, number>> = {
  malformed: 1,
  "wrong-password": 4,
  sweep: 4,
  scanner: LIMIT + 1,
};
const WINDOW_MS = 60_000;
/** Addresses remembered; beyond it the longest silent are forgotten. */
const MAX_SOURCES = 10_000;
/** Flows of one address that are remembered as proved. */
const MAX_PROVED = 256;
/** As long as a usual registration: who has not proved himself since does so again. */
const PROVED_MS = 3_900_000;
/** Names that one flow tried and that are told apart in a window. */
const MAX_DETAILS = 64;
/** Flows of one address with an account of their own in a window. */
const MAX_ACCOUNTS = 64;
/**
 * What is read each second of an address whose ban rests on UDP alone. Whoever writes a telephone's address on his packets
 * gets its address banned, but not the telephone: one that has registered is read as ever, one that has not can do so.
 */
const TRICKLE_PER_SECOND = 5;

interface Account {
  points: number;
  readonly details: Set<string>;
}

interface Source {
  second: number;
  messages: number;
  window: number;
  /** What is held against the address (name "") and against single flows of it in this window. */
  accounts: Map<string, Account> | undefined;
  ban: Ban | undefined;
  /** Flow → until when it counts as proved. */
  proved: Map<string, number> | undefined;
}

/** Keeps accounts by source address: how much it sends, what it did, and which of its flows have proved who they are. */
export function createSourceGuard(
  clock: Pick<Clock, "now">,
  limits: GuardLimits,
  onBan: (ban: Ban) => void = () => undefined,
): SourceGuard {
  const sources = new LRUCache<string, Source>({ max: MAX_SOURCES });
  const banned = new Map<string, Ban>();
  let trusted: Parameters<Conduct["trust"]>[0] = () => undefined;

  const sourceOf = (host: string): Source => {
    let source = sources.get(host);
    if (!source) {
      source = {
        second: 0, messages: 0, window: 0, accounts: undefined, ban: banned.get(host), proved: undefined,
      }; // prettier-ignore
      sources.set(host, source);
    }
    return source;
  };
  const isProved = (source: Source, flow: Flow, now: number): boolean =>
    source.proved !== undefined && (source.proved.get(nameOf(flow)) ?? 0) > now;
  const impose = (source: Source, ban: Ban): void => {
    source.ban = ban;
    const [oldest] = banned.keys();
    if (banned.size >= MAX_SOURCES && oldest !== undefined) banned.delete(oldest);
    banned.set(ban.host, ban);
  };
  const lift = (host: string): void => {
    banned.delete(host);
    const source = sources.get(host);
    if (source) source.ban = undefined;
  };
  /** A peer that is known by its port too does not speak for its address. */
  const isNever = (host: string): boolean =>
    limits.neverBanned.has(host) || trusted({ host, port: 0 }) !== undefined;

  return {
    admit(flow) {
      const now = clock.now();
      const source = sourceOf(flow.host);
      const second = Math.floor(now / 1_000);
      if (source.second !== second) {
        source.second = second;
        source.messages = 0;
      }
      source.messages++;
      const peer = trusted(flow);
      if (peer) {
        if (source.messages <= peer.messagesPerSecond) return "read";
        peer.limited();
        return "rate-limited";
      }
      if (source.ban !== undefined && source.ban.untilMs > now && !isProved(source, flow, now)) {
        const soft = flow.transport === "udp" && !source.ban.proven;
        if (!soft || source.messages > TRICKLE_PER_SECOND) return "banned";
      }
      return source.messages > limits.messagesPerSecond ? "rate-limited" : "read";
    },
    isProved: (flow) => isProved(sourceOf(flow.host), flow, clock.now()),
    isTrusted: (source) => trusted(source) !== undefined,
    mayConnect(host) {
      const ban = banned.get(host);
      return ban === undefined || !ban.proven || ban.untilMs <= clock.now() || isNever(host);
    },
    trust(find) {
      trusted = find;
      // Whoever was banned before it became somebody's peer is not any more.
      for (const host of banned.keys()) if (isNever(host)) lift(host);
    },
    proved(flow) {
      const { proved = new Map<string, number>() } = sourceOf(flow.host);
      sourceOf(flow.host).proved = proved;
      proved.delete(nameOf(flow));
      proved.set(nameOf(flow), clock.now() + PROVED_MS);
      const [oldest] = proved.keys();
      if (proved.size > MAX_PROVED && oldest !== undefined) proved.delete(oldest);
    },
    offended(flow, offence, detail) {
      const now = clock.now();
      const source = sourceOf(flow.host);
      const peer = trusted(flow);
      if (peer) {
        peer.offended(offence);
        return;
      }
      // Who has proved himself makes mistakes, and answers for them by his name.
      if (limits.neverBanned.has(flow.host) || isProved(source, flow, now)) return;
      const window = Math.floor(now / WINDOW_MS);
      if (source.window !== window) {
        source.window = window;
        source.accounts = undefined;
      }
      // An office behind one address has many phones with a name each, a guesser has many names.
      const account = accountOf(source, detail === "" ? "" : nameOf(flow));
      if (detail !== "") {
        const key = `${offence} ${detail.slice(0, 64)}`;
        if (account.details.has(key)) return;
        if (account.details.size < MAX_DETAILS) account.details.add(key);
      }
      account.points += POINTS[offence];
      if (account.points <= LIMIT || (source.ban !== undefined && source.ban.untilMs > now)) return;
      const ban = { host: flow.host, untilMs: now + limits.banMs, offence, proven: flow.transport !== "udp" };
      impose(source, ban);
      onBan(ban);
    },
    replaceBans(bans) {
      const now = clock.now();
      const kept = new Map(bans.filter(({ untilMs }) => untilMs > now).map((ban) => [ban.host, ban]));
      for (const host of banned.keys()) if (!kept.has(host)) lift(host);
      for (const ban of kept.values()) if (!isNever(ban.host)) impose(sourceOf(ban.host), ban);
    },
    get bans() {
      const now = clock.now();
      return [...banned.values()].filter(({ untilMs }) => untilMs > now);
    },
  };
}

function accountOf(source: Source, name: string): Account {
  const accounts = (source.accounts ??= new Map<string, Account>());
  let account = accounts.get(name);
  if (!account) {
    const [oldest] = accounts.keys();
    if (accounts.size >= MAX_ACCOUNTS && oldest !== undefined) accounts.delete(oldest);
    account = { points: 0, details: new Set() };
    accounts.set(name, account);
  }
  return account;
}

const nameOf = (flow: Flow): string => flow.connection ?? `${flow.transport}:${flow.port}`;
