import { stepper, type Step, type TransitionTable } from "#common/machine.ts";

/**
 * One half-duplex channel, seen from the bridge: who may speak through it now.
 *
 *                  voice                    transmit
 *     refused <--- limit --- receiving <--- idle ---> transmitting ---> limit ---> exhausted
 *        |  until the source   |   ^         ^            | release                  | release
 *        +---- clears ---------+---|---------+            v                          |
 *                                  |         +-------- settling <-------------------+
 *                                  +----- new source -----+
 *
 * The three rules against feedback: a channel that transmits is no source; what arrives within SETTLE_MS after it unkeyed
 * waits; a source that was refused stays so until it falls silent.
 */
export type SessionState =
  | { readonly name: "idle" }
  | { readonly name: "receiving" }
  /** The source talks on and is not passed on. */
  | { readonly name: "refused" }
  | { readonly name: "transmitting"; readonly sourceActive: boolean }
  /** Transmitted longer than allowed: unkeyed until the group falls silent. */
  | { readonly name: "exhausted"; readonly sourceActive: boolean }
  /** `source`: active since we transmitted (our own echo, or a caller who did not wait), or began after that. */
  | { readonly name: "settling"; readonly source: "quiet" | "old" | "new" };

export type SessionEvent =
  /** A frame of voice from the radio. */
  | { readonly type: "voice" }
  /** The radio said that its squelch closed. */
  | { readonly type: "unkey" }
  /** Nothing came for QUIET_MS while the squelch was open: its unkey was lost. */
  | { readonly type: "quiet" }
  | { readonly type: "transmit" }
  | { readonly type: "release" }
  /** Somebody held the channel for too long. */
  | { readonly type: "limit" }
  | { readonly type: "settled" };

export type SessionTimer = "quiet" | "limit" | "settle";

export type SessionEffect =
  | { readonly do: "squelch"; readonly open: boolean }
  /** Give the frame of this event to the group. */
  | { readonly do: "pass" }
  | { readonly do: "key"; readonly on: boolean }
  | { readonly do: "arm"; readonly timer: SessionTimer }
  | { readonly do: "disarm"; readonly timer: SessionTimer }
  | {
      readonly do: "count";
      readonly what: "unkey-lost" | "receive-limit" | "transmit-limit" | "while-transmitting";
    };

/** A squelch that is open and silent for this long has closed, in ms. */
export const QUIET_MS = 300;
/** How long after unkeying what the radio receives is not believed, in ms. */
export const SETTLE_MS = 300;

type S = SessionState;
type To = Step<S, SessionEffect>;

const to = (state: S, ...effects: SessionEffect[]): To => ({ state, effects });
const squelch = (open: boolean): SessionEffect => ({ do: "squelch", open });
const key = (on: boolean): SessionEffect => ({ do: "key", on });
const arm = (timer: SessionTimer): SessionEffect => ({ do: "arm", timer });
const disarm = (timer: SessionTimer): SessionEffect => ({ do: "disarm", timer });
const count = (what: Extract<SessionEffect, { do: "count" }>["what"]): SessionEffect => ({
  do: "count",
  what,
});

const idle: S = { name: "idle" };
const transmitting = (sourceActive: boolean): S => ({ name: "transmitting", sourceActive });
const settling = (sourceActive: boolean): S => ({ name: "settling", source: sourceActive ? "old" : "quiet" });
const closed = (...effects: SessionEffect[]) =>
  to(idle, squelch(false), disarm("quiet"), disarm("limit"), ...effects);
/** While we transmit a source is only noted, once. */
const noted = (name: "transmitting" | "exhausted", wasActive: boolean): To =>
  to({ name, sourceActive: true }, arm("quiet"), ...(wasActive ? [] : [count("while-transmitting")]));
const settle = (sourceActive: boolean, ...effects: SessionEffect[]) =>
  to(settling(sourceActive), ...effects, disarm("limit"), arm("settle"));

// prettier-ignore
export const sessionTable: TransitionTable<S, SessionEvent, SessionEffect> = {
  idle: {
    voice:    () => to({ name: "receiving" }, squelch(true), { do: "pass" }, arm("quiet"), arm("limit")),
    transmit: () => to(transmitting(false), key(true), arm("limit")),
  },
  receiving: {
    voice:    (state) => to(state, { do: "pass" }, arm("quiet")),
    unkey:    () => closed(),
    quiet:    () => closed(count("unkey-lost")),
    // Time-out timer: no re-key until the source clears.
    limit:    () => to({ name: "refused" }, squelch(false), count("receive-limit")),
    // Only a higher priority transmits over a source that is heard; the source has to key again.
    transmit: () => to(transmitting(true), squelch(false), key(true), arm("limit")),
  },
  refused: {
    voice:    (state) => to(state, arm("quiet")),
    unkey:    () => to(idle, disarm("quiet")),
    quiet:    () => to(idle),
    transmit: () => to(transmitting(true), key(true), arm("limit")),
  },
  transmitting: {
    voice:    ({ sourceActive }) => noted("transmitting", sourceActive),
    unkey:    () => to(transmitting(false), disarm("quiet")),
    quiet:    () => to(transmitting(false)),
    release:  ({ sourceActive }) => settle(sourceActive, key(false)),
    limit:    ({ sourceActive }) => to({ name: "exhausted", sourceActive }, key(false), count("transmit-limit")),
  },
  exhausted: {
    voice:    ({ sourceActive }) => noted("exhausted", sourceActive),
    unkey:    () => to({ name: "exhausted", sourceActive: false }, disarm("quiet")),
    quiet:    () => to({ name: "exhausted", sourceActive: false }),
    release:  ({ sourceActive }) => settle(sourceActive),
  },
  settling: {
    voice:    ({ source }) => to({ name: "settling", source: source === "old" ? "old" : "new" }, arm("quiet")),
    unkey:    () => to({ name: "settling", source: "quiet" }, disarm("quiet")),
    quiet:    () => to({ name: "settling", source: "quiet" }),
    transmit: ({ source }) => to(transmitting(source !== "quiet"), disarm("settle"), key(true), arm("limit")),
    settled:  ({ source }) => {
      if (source === "quiet") return to(idle);
      if (source === "old") return to({ name: "refused" });
      return to({ name: "receiving" }, squelch(true), arm("limit"));
    },
  },
};

export const stepSession = stepper<SessionState, SessionEvent, SessionEffect>(sessionTable);
