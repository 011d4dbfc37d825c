import { TIMEOUT, T1, type Schedule } from "./timing.ts";

/** What the caller said of reliable provisional responses in its INVITE (RFC 3262 §3). */
export type Reliability = "supported" | "required";

/** The reliable provisional responses of one INVITE that we answer. One at a time is unacknowledged (RFC 3262 §3). */
export interface ReliableProvisionals<Answer> {
  /** RSeq of the latest. */
  readonly rseq: number;
  /** When the latest was sent; undefined once its PRACK came. */
  readonly sinceMs?: number;
  /** The latest carries a session description, so no 2xx goes before its PRACK. */
  readonly described?: true;
  /** Answers that wait for the PRACK, in order. */
  readonly waiting?: readonly Answer[];
}

export type Respond =
  /** Goes out as it is. */
  | { readonly do: "send" }
  /** Goes out with `Require: 100rel` and the RSeq of `state`. */
  | { readonly do: "send-reliably" }
  /** Kept in `state` until the PRACK. */
  | { readonly do: "hold" }
  /** Not sent at all: too many wait, or one for good does. */
  | { readonly do: "drop" };

/** Provisional responses that wait for a PRACK; more are dropped: the caller is told the next one. */
const MAX_WAITING = 4;

/** What becomes of a response; `state` as it is afterwards. */
export function respond<Answer extends { readonly status: number }>(
  state: ReliableProvisionals<Answer> | undefined,
  answer: Answer,
  how: {
    readonly reliable: boolean;
    readonly described: boolean;
    readonly nowMs: number;
    readonly first: number;
  },
): { readonly state: ReliableProvisionals<Answer> | undefined; readonly action: Respond } {
  const { status } = answer;
  const open = state?.sinceMs !== undefined;
  if (status === 100 || status >= 300) return { state, action: { do: "send" } };
  if (open && (status < 200 || state.described === true)) return hold(state, answer);
  // After a final response nothing new is sent reliably; a PRACK for what is out is still taken (§3).
  if (status >= 200 || !how.reliable) return { state, action: { do: "send" } };
  const rseq = state === undefined ? how.first : state.rseq + 1;
  const next = { rseq, sinceMs: how.nowMs, ...(how.described && { described: true as const }) };
  return { state: next, action: { do: "send-reliably" } };
}

/** A PRACK that names `rseq`; undefined when nothing unacknowledged goes by that number (481). */
export function acknowledge<Answer>(
  state: ReliableProvisionals<Answer> | undefined,
  rseq: number,
): { readonly state: ReliableProvisionals<Answer>; readonly released: readonly Answer[] } | undefined {
  if (state?.sinceMs === undefined || state.rseq !== rseq) return undefined;
  return { state: { rseq }, released: state.waiting ?? [] };
}

/** Retransmission from T1 on, doubling, whatever the transport; given up after 64*T1 (RFC 3262 §3). */
export const scheduleOf = ({ sinceMs }: ReliableProvisionals<unknown>): Schedule =>
  sinceMs === undefined
    ? {}
    : { resend: { sinceMs, firstMs: T1, capMs: TIMEOUT }, expireAtMs: sinceMs + TIMEOUT };

/** The number of the first one: anything below 2^31, so that later ones stay there too. It follows from the call, so that a step done again says the same. */
export const firstRseq = (digits: string): number =>
  (Number.parseInt(digits.slice(-7), 16) % 0x3fff_ffff) + 1;

function hold<Answer extends { readonly status: number }>(
  state: ReliableProvisionals<Answer>,
  answer: Answer,
): { readonly state: ReliableProvisionals<Answer>; readonly action: Respond } {
  const { waiting = [] } = state;
  const closed = waiting.some(({ status }) => status >= 200);
  if (closed || (answer.status < 200 && waiting.length >= MAX_WAITING))
    return { state, action: { do: "drop" } };
  return { state: { ...state, waiting: [...waiting, answer] }, action: { do: "hold" } };
}
