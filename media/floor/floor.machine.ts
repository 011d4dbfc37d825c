import { FLOOR_LEASE_MS, type Member } from "#common/media-control.ts";
import { stepper, type Step, type TransitionTable } from "#common/machine.ts";

/** One participant's wish to talk. */
export interface Claim {
  readonly leg: string;
  readonly member: Member;
  /** A console's press; it lives by its lease. Absent for phones and radios. */
  readonly hold?: string;
  /** True when voice or squelch asked: pauses keep the floor for the hang time, and one wish lasts until the voice ends. */
  readonly byVoice: boolean;
}

interface Queued extends Claim {
  readonly leaseUntilMs: number;
}

/** A wish that was not granted or was cut, and is still being expressed: nothing comes of it until it ends. */
export interface Refused {
  readonly leg: string;
  readonly hold?: string;
  readonly byVoice: boolean;
  readonly cause: "busy" | "limit";
}

export type State =
  | { readonly name: "idle"; readonly seq: number; readonly refused: readonly Refused[] }
  | {
      readonly name: "taken";
      readonly seq: number;
      readonly refused: readonly Refused[];
      readonly holder: Claim;
      readonly sinceMs: number;
      /** The holder paused; the hang timer runs. */
      readonly hanging: boolean;
      readonly queue: readonly Queued[];
    };

export type Event =
  | ({ readonly type: "request"; readonly nowMs: number } & Claim)
  | { readonly type: "renew"; readonly leg: string; readonly hold: string; readonly nowMs: number }
  | { readonly type: "release"; readonly leg: string; readonly hold?: string; readonly nowMs: number }
  /** The participant is gone. */
  | { readonly type: "leave"; readonly leg: string; readonly nowMs: number }
  | { readonly type: "timer"; readonly timer: Timer; readonly nowMs: number };

export type Timer = "limit" | "limit-near" | "lease" | "hang";

export type Effect =
  | { readonly do: "grant"; readonly claim: Claim; readonly queued: boolean }
  | { readonly do: "queue"; readonly claim: Claim; readonly position: number; readonly holder: Member }
  | { readonly do: "deny"; readonly claim: Claim; readonly cause: "busy" | "limit"; readonly holder?: Member }
  | {
      readonly do: "revoke";
      readonly claim: Claim;
      readonly cause: "preempted" | "limit" | "expired";
      readonly by?: Member;
    }
  /** The wish of this participant ended: it holds, waits and is refused no more. */
  | { readonly do: "rest"; readonly leg: string }
  | { readonly do: "warn"; readonly claim: Claim }
  | { readonly do: "arm"; readonly timer: Timer; readonly ms: number }
  | { readonly do: "disarm"; readonly timer: Timer }
  /** The floor is another's or nobody's now. */
  | { readonly do: "publish" };

export interface FloorPolicy {
  readonly maxTalkMs: number;
  readonly hangMs: number;
  readonly queue: boolean;
}

/** A console is warned this long before its limit, in ms. */
export const LIMIT_NEAR_MS = 10_000;
/** Consoles that may wait; one more is told busy. */
const MAX_QUEUE = 50;

export const idle: State = { name: "idle", seq: 0, refused: [] };

type Taken = Extract<State, { name: "taken" }>;
type Outcome = Step<State, Effect>;

const to = (state: State, ...effects: Effect[]): Outcome => ({ state, effects });
const TIMERS: readonly Timer[] = ["limit", "limit-near", "lease", "hang"];
const disarmAll: readonly Effect[] = TIMERS.map((timer) => ({ do: "disarm", timer }));
const samePress = (claim: { leg: string; hold?: string }, event: { leg: string; hold?: string }): boolean =>
  claim.leg === event.leg && claim.hold === event.hold;
const without = <T extends { leg: string }>(list: readonly T[], leg: string): T[] =>
  list.filter((entry) => entry.leg !== leg);
const refusalOf = ({ leg, hold, byVoice }: Claim, cause: Refused["cause"]): Refused =>
  hold === undefined ? { leg, byVoice, cause } : { leg, hold, byVoice, cause };
/** The claim in an event, without the event around it. */
const claimOf = ({ leg, member, hold, byVoice }: Claim): Claim =>
  hold === undefined ? { leg, member, byVoice } : { leg, member, hold, byVoice };

/** The floor of one half-duplex group: who may talk, one at a time. */
export function floorOf(policy: FloorPolicy) {
  const take = (
    claim: Claim,
    from: State,
    nowMs: number,
    queue: readonly Queued[],
    queued: boolean,
  ): Outcome =>
    to(
      {
        name: "taken",
        seq: from.seq + 1,
        refused: without(from.refused, claim.leg),
        holder: claim,
        sinceMs: nowMs,
        hanging: false,
        queue,
      },
      ...disarmAll,
      { do: "grant", claim, queued },
      { do: "arm", timer: "limit", ms: policy.maxTalkMs },
      ...(claim.hold === undefined ? [] : leaseEffects(policy.maxTalkMs)),
      { do: "publish" },
    );

  /** The holder is done: the next in the queue whose lease still runs, or nobody. */
  const pass = (state: Taken, nowMs: number, refused: readonly Refused[], ...effects: Effect[]): Outcome => {
    const queue = state.queue.filter(({ leaseUntilMs }) => leaseUntilMs > nowMs);
    const gone = state.queue.filter(({ leaseUntilMs }) => leaseUntilMs <= nowMs);
    const rest: Effect[] = gone.map(({ leg }) => ({ do: "rest", leg }));
    const [next, ...others] = queue;
    if (!next)
      return to({ name: "idle", seq: state.seq + 1, refused }, ...effects, ...rest, ...disarmAll, {
        do: "publish",
      });
    const granted = take(claimOf(next), { ...state, refused }, nowMs, others, true);
    return to(granted.state, ...effects, ...rest, ...granted.effects);
  };

  /** A wish that was refused or cut stays so for as long as it is one and the same wish. */
  const refusedBefore = (state: State, event: Claim): Refused | undefined =>
    state.refused.find(
      (entry) =>
        entry.leg === event.leg && entry.hold === event.hold && (event.hold !== undefined || event.byVoice),
    );

  const refuse = (state: Taken, claim: Claim, cause: Refused["cause"]): Outcome =>
    to(
      { ...state, refused: [...without(state.refused, claim.leg), refusalOf(claim, cause)] },
      { do: "deny", claim, cause, holder: state.holder.member },
    );

  const askAgain = (state: Taken, event: Extract<Event, { type: "request" }>): Outcome => {
    const renewed: Effect[] =
      event.hold === undefined ? [] : [{ do: "arm", timer: "lease", ms: FLOOR_LEASE_MS }];
    const changed = event.hold !== state.holder.hold;
    const resumed: Effect[] = state.hanging ? [{ do: "disarm", timer: "hang" }] : [];
    // A new press of the holder whose release got lost takes the place of the old one.
    return to(
      { ...state, seq: changed ? state.seq + 1 : state.seq, holder: claimOf(event), hanging: false },
      ...resumed,
      ...renewed,
      { do: "grant", claim: claimOf(event), queued: false },
      ...(changed ? [{ do: "publish" } as const] : []),
    );
  };

  const wait = (state: Taken, event: Extract<Event, { type: "request" }>): Outcome => {
    const claim = claimOf(event);
    const others = without(state.queue, event.leg);
    if (others.length >= MAX_QUEUE) return refuse(state, claim, "busy");
    const known = state.queue.find((entry) => samePress(entry, event));
    const entry: Queued = { ...claim, leaseUntilMs: event.nowMs + FLOOR_LEASE_MS };
    const queue = known
      ? state.queue.map((queued) => (queued === known ? entry : queued))
      : [...others, entry].sort((a, b) => b.member.priority - a.member.priority);
    const position = queue.indexOf(entry) + 1;
    return to(
      { ...state, queue, refused: without(state.refused, event.leg) },
      { do: "queue", claim, position, holder: state.holder.member },
    );
  };

  const release = (state: Taken, event: Extract<Event, { type: "release" }>): Outcome => {
    if (samePress(state.holder, event)) {
      if (state.holder.byVoice && policy.hangMs > 0)
        return state.hanging
          ? to(state)
          : to({ ...state, hanging: true }, { do: "arm", timer: "hang", ms: policy.hangMs });
      return pass(state, event.nowMs, state.refused, { do: "rest", leg: event.leg });
    }
    const queue = state.queue.filter((entry) => !samePress(entry, event));
    const refused = state.refused.filter((entry) => !samePress(entry, event));
    if (queue.length === state.queue.length && refused.length === state.refused.length) return to(state);
    return to({ ...state, queue, refused }, { do: "rest", leg: event.leg });
  };

  const cut = (state: Taken, nowMs: number, cause: "limit" | "expired"): Outcome => {
    const refused = cause === "limit" ? [...state.refused, refusalOf(state.holder, "limit")] : state.refused;
    return pass(state, nowMs, refused, { do: "revoke", claim: state.holder, cause });
  };

  const table = {
    idle: {
      request: (state, event) => {
        const before = refusedBefore(state, event);
        if (before) return to(state, { do: "deny", claim: claimOf(event), cause: before.cause });
        return take(claimOf(event), state, event.nowMs, [], false);
      },
      release: (state, event) => {
        const refused = state.refused.filter((entry) => !samePress(entry, event));
        return refused.length === state.refused.length
          ? to(state)
          : to({ ...state, refused }, { do: "rest", leg: event.leg });
      },
      leave: (state, { leg }) => to({ ...state, refused: without(state.refused, leg) }),
    },
    taken: {
      request: (state, event) => {
        if (state.holder.leg === event.leg) return askAgain(state, event);
        const before = refusedBefore(state, event);
        if (before)
          return to(state, {
            do: "deny",
            claim: claimOf(event),
            cause: before.cause,
            holder: state.holder.member,
          });
        if (event.member.priority > state.holder.member.priority) {
          const queue = without(state.queue, event.leg);
          const refused = [...state.refused, refusalOf(state.holder, "busy")];
          const taken = take(claimOf(event), { ...state, refused }, event.nowMs, queue, false);
          return to(
            taken.state,
            { do: "revoke", claim: state.holder, cause: "preempted", by: event.member },
            ...taken.effects,
          );
        }
        if (policy.queue && event.hold !== undefined) return wait(state, event);
        return refuse(state, claimOf(event), "busy");
      },
      renew: (state, event) => {
        if (samePress(state.holder, event))
          return to(state, { do: "arm", timer: "lease", ms: FLOOR_LEASE_MS });
        const leaseUntilMs = event.nowMs + FLOOR_LEASE_MS;
        return to({
          ...state,
          queue: state.queue.map((entry) => (samePress(entry, event) ? { ...entry, leaseUntilMs } : entry)),
        });
      },
      release,
      leave: (state, { leg, nowMs }) => {
        const refused = without(state.refused, leg);
        if (state.holder.leg === leg)
          return pass({ ...state, queue: without(state.queue, leg) }, nowMs, refused);
        return to({ ...state, refused, queue: without(state.queue, leg) });
      },
      timer: (state, { timer, nowMs }) => {
        switch (timer) {
          case "limit":
            return cut(state, nowMs, "limit");
          case "lease":
            return cut(state, nowMs, "expired");
          case "limit-near":
            return to(state, { do: "warn", claim: state.holder });
          case "hang":
            return state.hanging
              ? pass(state, nowMs, state.refused, { do: "rest", leg: state.holder.leg })
              : to(state);
        }
      },
    },
  } satisfies TransitionTable<State, Event, Effect>;

  return stepper<State, Event, Effect>(table);
}

function leaseEffects(maxTalkMs: number): Effect[] {
  const nearMs = maxTalkMs - LIMIT_NEAR_MS;
  return [
    { do: "arm", timer: "lease", ms: FLOOR_LEASE_MS },
    ...(nearMs > 0 ? [{ do: "arm", timer: "limit-near", ms: nearMs } as const] : []),
  ];
}
