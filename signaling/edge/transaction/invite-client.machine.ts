import { stepper, type Step, type TransitionTable } from "#common/machine.ts";
import { T1, TIMEOUT, type Schedule } from "./timing.ts";

export type State =
  /** `cancel`: to be cancelled as soon as a provisional response is there (RFC 3261 §9.1). */
  | { readonly name: "calling"; readonly sinceMs: number; readonly cancel: boolean }
  | { readonly name: "proceeding" }
  | { readonly name: "cancelling"; readonly sinceMs: number }
  | { readonly name: "completed"; readonly sinceMs: number }
  | { readonly name: "accepted"; readonly sinceMs: number }
  | { readonly name: "terminated" };

export type Event =
  | { readonly type: "response"; readonly status: number; readonly nowMs: number }
  | { readonly type: "cancel"; readonly nowMs: number }
  | { readonly type: "expire" }
  | { readonly type: "transport-error" };

export type Effect =
  | { readonly do: "tell" }
  /** ACK of a failure, by this transaction. */
  | { readonly do: "ack" }
  | { readonly do: "cancel" }
  /** The 2xx came again: the ACK that call control gave goes out again (§13.2.2.4). */
  | { readonly do: "resendAck" }
  | { readonly do: "report"; readonly status: 408 | 503 };

const to = (state: State, ...effects: Effect[]): Step<State, Effect> => ({ state, effects });
const terminated: State = { name: "terminated" };
type Response = Extract<Event, { type: "response" }>;

/** A final response, in any state that still waits for one. */
const final = ({ status, nowMs }: Response): Step<State, Effect> =>
  status < 300
    ? to({ name: "accepted", sinceMs: nowMs }, { do: "tell" })
    : to({ name: "completed", sinceMs: nowMs }, { do: "ack" }, { do: "tell" });
const lost = (): Step<State, Effect> => to(terminated, { do: "report", status: 503 });
const late = (): Step<State, Effect> => to(terminated, { do: "report", status: 408 });

/** RFC 3261 §17.1.1.2 figure 5 with RFC 6026 §7.2; `cancelling` is §9.1. */
// prettier-ignore
export const table = {
  calling: {
    response: (state, event) => {
      if (event.status >= 200) return final(event);
      if (!state.cancel) return to({ name: "proceeding" }, { do: "tell" });
      return to({ name: "cancelling", sinceMs: event.nowMs }, { do: "cancel" }, { do: "tell" });
    },
    cancel: (state) => to({ ...state, cancel: true }),
    expire: late, // timer B
    "transport-error": lost,
  },
  proceeding: {
    response: (state, event) => (event.status >= 200 ? final(event) : to(state, { do: "tell" })),
    cancel: (_state, { nowMs }) => to({ name: "cancelling", sinceMs: nowMs }, { do: "cancel" }),
    "transport-error": lost,
  },
  cancelling: {
    response: (state, event) => (event.status >= 200 ? final(event) : to(state, { do: "tell" })),
    expire: late, // §9.1: no final response within 64*T1 of the CANCEL
    "transport-error": lost,
  },
  completed: {
    response: (state, { status }) => (status >= 300 ? to(state, { do: "ack" }) : to(state)),
  },
  accepted: {
    response: (state, { status }) => (status >= 200 && status < 300 ? to(state, { do: "resendAck" }) : to(state)),
  },
  terminated: {},
} satisfies TransitionTable<State, Event, Effect>;

export const step = stepper<State, Event, Effect>(table);

/** Timers A, B, D and M; the CANCEL is retransmitted as a request of its own (E). */
export function scheduleOf(state: State, reliable: boolean): Schedule {
  switch (state.name) {
    case "calling":
    case "cancelling": {
      const resend = { sinceMs: state.sinceMs, firstMs: T1, capMs: TIMEOUT };
      return { ...(reliable ? {} : { resend }), expireAtMs: state.sinceMs + TIMEOUT };
    }
    case "proceeding":
      return {};
    case "completed":
      return { forgetAtMs: state.sinceMs + (reliable ? 0 : TIMEOUT) };
    case "accepted":
      return { forgetAtMs: state.sinceMs + TIMEOUT };
    case "terminated":
      return { forgetAtMs: 0 };
  }
}
