/** Longest wait for anything; a transaction of RFC 3261 gives up after 32 s, a caller long before. */
export const PATIENCE_MS = 12_000;

/** What the two sides of a call do. */
export interface Script {
  readonly story: "plain" | "cancel" | "reinvite" | "callee-hangs-up" | "prack";
  readonly ringMs: number;
  readonly talkMs: number;
  /** A re-INVITE may be refused with 503: the call goes on as it was (RFC 3261 §14.1). */
  readonly mayRefuse?: boolean;
  /** Audio goes through the media tier: what one side offers in the call is answered there, and the other is not asked. */
  readonly anchored?: boolean;
}
