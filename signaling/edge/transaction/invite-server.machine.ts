import { stepper, type Step, type TransitionTable } from "#common/machine.ts";
import { T1, T2, T4, TIMEOUT, type Schedule } from "./timing.ts";

export type State =
  | { readonly name: "proceeding" }
  | { readonly name: "completed"; readonly sinceMs: number }
  | { readonly name: "confirmed"; readonly sinceMs: number }
  | { readonly name: "accepted"; readonly sinceMs: number }
  | { readonly name: "terminated" };

export type Event =
  | { readonly type: "invite" }
  | { readonly type: "ack"; readonly nowMs: number }
  | { readonly type: "cancel"; readonly nowMs: number }
  | { readonly type: "respond"; readonly status: number; readonly nowMs: number }
  | { readonly type: "expire" };

export type Effect =
  /** Send the last response, or 100 when there is none. */
  | { readonly do: "resend" }
  | { readonly do: "send"; readonly status: number }
  | { readonly do: "passAckUp" }
  | { readonly do: "report"; readonly what: "cancelled" | "ack-timeout" };

const to = (state: State, ...effects: Effect[]): Step<State, Effect> => ({ state, effects });
const terminated: State = { name: "terminated" };

/**
 * RFC 3261 §17.2.1 figure 7 with the Accepted state of RFC 6026 §7.1. The 2xx is retransmitted here until its ACK comes
 * (§13.3.1.4), because any instance may see that ACK. After it the record of the call absorbs what is still under way.
 */
// prettier-ignore
export const table = {
  proceeding: {
    invite: (state) => to(state, { do: "resend" }),
    respond: (state, { status, nowMs }) => {
      const send = { do: "send", status } as const;
      if (status < 200) return to(state, send);
      return to({ name: status < 300 ? "accepted" : "completed", sinceMs: nowMs }, send);
    },
    // §9.2: the request that a CANCEL matches is answered 487.
    cancel: (_state, { nowMs }) =>
      to({ name: "completed", sinceMs: nowMs }, { do: "send", status: 487 }, { do: "report", what: "cancelled" }),
  },
  completed: {
    invite: (state) => to(state, { do: "resend" }),
    ack: (_state, { nowMs }) => to({ name: "confirmed", sinceMs: nowMs }),
    // Timer H. Nobody waits for this ACK: the call has failed either way.
    expire: () => to(terminated),
  },
  confirmed: {},
  accepted: {
    invite: (state) => to(state, { do: "resend" }),
    ack: () => to(terminated, { do: "passAckUp" }),
    // §13.3.1.4: the session is ended with a BYE.
    expire: () => to(terminated, { do: "report", what: "ack-timeout" }),
  },
  terminated: {},
} satisfies TransitionTable<State, Event, Effect>;

export const step = stepper<State, Event, Effect>(table);

/** Timers G, H, I and the retransmission of 2xx, which does not depend on the transport. */
export function scheduleOf(state: State, reliable: boolean): Schedule {
  switch (state.name) {
    case "proceeding":
      return {};
    case "completed":
      return {
        ...(reliable ? {} : { resend: finalResend(state.sinceMs) }),
        expireAtMs: state.sinceMs + TIMEOUT,
      };
    case "confirmed":
      return { forgetAtMs: state.sinceMs + (reliable ? 0 : T4) };
    case "accepted":
      return { resend: finalResend(state.sinceMs), expireAtMs: state.sinceMs + TIMEOUT };
    case "terminated":
      return { forgetAtMs: 0 };
  }
}

const finalResend = (sinceMs: number) => ({ sinceMs, firstMs: T1, capMs: T2 });
