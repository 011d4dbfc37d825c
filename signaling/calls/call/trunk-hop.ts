import type { LegId } from "#signaling/sip-port/sip-port.ts";
import { bestFailure } from "./best-failure.ts";
import type { Destination, EventOf, TrunkHop } from "./call-event.ts";
import type { Effect, EndCause } from "./effect.ts";

/** A peer that did not answer at all is left alone for so long, in s. */
const SILENT_S = 30;
/** The longest that a peer may send others away for, in s. */
const MAX_AVOID_S = 3_600;

/** What it means that a place outside did not take the call. */
export interface HopFailure {
  /** What it comes to for whoever calls. */
  readonly status: number;
  /** It says more of the peer than of whom it leads to: the next place is tried. */
  readonly next: boolean;
  readonly effects: readonly Effect[];
}

export function hopFailureOf(
  trunk: TrunkHop,
  { status, local, retryAfterS = 0 }: EventOf<"response">,
): HopFailure {
  const seconds = local ? SILENT_S : status === 503 ? Math.min(retryAfterS, MAX_AVOID_S) : 0;
  return {
    status: local ? 480 : status,
    next: local || failsOver(trunk, status),
    effects: seconds > 0 ? [{ do: "avoid", trunk: trunk.id, peer: trunk.peer, seconds }] : [],
  };
}

/** Credentials that a peer would not take are its own affair. */
const failsOver = ({ failoverOn }: TrunkHop, status: number): boolean =>
  status === 401 ||
  status === 407 ||
  failoverOn.some((one) => one === status || one === `${Math.floor(status / 100)}xx`);

/** Asks the trunk of a place for room. */
export const claim = ({ leg, trunk }: { readonly leg: LegId; readonly trunk?: TrunkHop }): Effect[] =>
  trunk ? [{ do: "claim", trunk: trunk.id, leg }] : [];

/** Further places, but for those of a trunk that has no room. */
export const elsewhere = (
  later: readonly Destination[] = [],
  full: TrunkHop | undefined,
): readonly Destination[] => later.filter(({ trunk }) => trunk?.id !== full?.id);

/** How a call ends for which every place was tried, or none had room (RFC 3261 §21.5.4). */
export function noPlaceLeft(statuses: readonly number[]): {
  readonly cause: EndCause;
  readonly status: number;
  readonly text: string;
} {
  return statuses.length === 0
    ? { cause: "trunk-full", status: 503, text: "every trunk is full" }
    : { cause: "rejected", status: bestFailure(statuses), text: "no trunk took the call" };
}
