import type { SipMessage } from "#signaling/edge/message/message.ts";

/** What the operator wants of sessions (RFC 4028). */
export interface SessionSettings {
  /** How long a session lives without a refresh, in s; 0 leaves dialogs alone. */
  readonly expiresSeconds: number;
  /** Shortest interval accepted, in s. */
  readonly minSeSeconds: number;
}

/** The session timer of one dialog. Plain JSON in the record of its leg; short names, for every answered call has one. */
export interface SessionTimer {
  /** Interval in s. */
  readonly s: number;
  /** Who refreshes. */
  readonly by: "us" | "them";
  /** When it was last refreshed, epoch ms; undefined until the call is answered. */
  readonly at?: number;
  /** The peer knows session timers: our requests and responses name the interval. */
  readonly timer?: true;
  /** The peer takes UPDATE; one that does not is refreshed by re-INVITE, or asked for signs of life by OPTIONS when it knows no timers. */
  readonly update?: true;
  /** What the peer last asked for by 422 (§7.3): our requests say so from then on. */
  readonly min?: number;
  /** A refresh that came to nothing is tried again at, epoch ms. */
  readonly again?: number;
  /** The session description that we last sent; kept only where a re-INVITE of ours has to repeat it. */
  readonly sdp?: string;
}

/** What a request or response of the peer says of session timers. */
export interface SessionTerms {
  readonly timer?: true;
  readonly update?: true;
  readonly expires?: number;
  readonly refresher?: "uac" | "uas";
  readonly minSe?: number;
}

/** A day, in s. */
const MAX_SECONDS = 86_400;
const ALLOWS_UPDATE = /\r\nAllow\s*:[^\r]*\bUPDATE\b/i;

/** Reads the terms; undefined when there are none. */
export function termsOf(message: SipMessage): SessionTerms | undefined {
  const update = ALLOWS_UPDATE.test(message.text);
  // One look at the text spares most messages the lists.
  const timer = /\btimer\b/i.test(message.text) && message.supports("timer");
  const value = message.header("session-expires");
  if (!update && !timer && value === undefined) return undefined;
  const expires = secondsOf(value);
  const minSe = secondsOf(message.header("min-se"));
  const refresher = /;\s*refresher\s*=\s*(ua[cs])\b/i.exec(value ?? "")?.[1]?.toLowerCase();
  return {
    ...(timer && { timer: true }),
    ...(update && { update: true }),
    ...(expires !== undefined && { expires }),
    ...((refresher === "uac" || refresher === "uas") && { refresher }),
    ...(minSe !== undefined && { minSe }),
  };
}

/** True when the interval asked for is too short for us, and its sender can ask again (§9: 422). */
export const isTooShort = ({ timer, expires }: SessionTerms, { minSeSeconds }: SessionSettings): boolean =>
  timer === true && expires !== undefined && expires < minSeSeconds;

/** What we answer to a request's terms (§9, table 2): a peer that knows timers refreshes, unless it wants us to. */
export function agreedByUs(
  terms: SessionTerms = {},
  { expiresSeconds, minSeSeconds }: SessionSettings,
): SessionTimer {
  const { timer, update, expires = expiresSeconds, refresher, minSe = 0 } = terms;
  const s = Math.max(Math.min(expires, expiresSeconds), minSe, minSeSeconds);
  const by = timer === true && refresher !== "uas" ? "them" : "us";
  return { s, by, ...(timer && { timer }), ...(update && { update }) };
}

/** What the 2xx of our request settles (§7.2); one that says nothing leaves the refreshing to us alone. */
export function agreedByThem(
  terms: SessionTerms | undefined,
  offered: Pick<SessionTimer, "s">,
  minSeSeconds = 0,
): SessionTimer {
  const { update, expires, refresher } = terms ?? {};
  const knows = expires !== undefined;
  return {
    // An interval that §5 forbids would have us refresh without end.
    s: Math.max(expires ?? offered.s, minSeSeconds),
    by: knows && refresher !== "uac" ? "them" : "us",
    ...(knows && { timer: true }),
    ...(update && { update }),
  };
}

/** When the session ends unless it was refreshed: a little before its interval is over (§10). */
export const endOf = ({ s, at }: SessionTimer): number | undefined =>
  at === undefined ? undefined : at + s * 1_000 - Math.min(32_000, Math.floor(s * 333));

/** When something has to be done: half way a refresh by us, or the end before which theirs should have come (§10). */
export function dueOf(session: SessionTimer): number | undefined {
  const { s, by, at, again } = session;
  const end = endOf(session);
  if (at === undefined || end === undefined || by === "them") return end;
  return Math.min(again ?? at + s * 500, end);
}

/** True when we refresh by re-INVITE: what it offers has to be known. */
export const refreshesByInvite = ({ by, timer, update }: SessionTimer): boolean =>
  by === "us" && timer === true && update !== true;

/** The interval that a 422 asks for (§7.3); undefined when it asks for none, or for longer than any session lasts. */
export function intervalAskedFor(minSe: string | undefined): number | undefined {
  const seconds = secondsOf(minSe);
  return seconds === undefined || seconds > MAX_SECONDS ? undefined : seconds;
}

/** The headers of a 2xx to the peer's request: nothing for a peer that does not know them. */
export const responseTerms = ({ s, by, timer }: SessionTimer): [string, string][] =>
  timer !== true
    ? []
    : [
        ["Session-Expires", `${s};refresher=${by === "them" ? "uac" : "uas"}`],
        // §9: the peer must know that it refreshes.
        ...(by === "them" ? ([["Require", "timer"]] as [string, string][]) : []),
      ];

/** The headers of our request. The first one asks the peer to refresh; whoever does goes on doing so (§7.4). */
export const requestTerms = ({ s, by, at, min }: SessionTimer): [string, string][] => [
  ["Supported", "timer"],
  ...(min === undefined ? [] : ([["Min-SE", String(min)]] as [string, string][])),
  ["Session-Expires", `${s};refresher=${at === undefined || by === "them" ? "uas" : "uac"}`],
];

const secondsOf = (value: string | undefined): number | undefined => {
  const digits = /^\s*(\d{1,9})\b/.exec(value ?? "")?.[1];
  return digits === undefined ? undefined : Number(digits);
};
