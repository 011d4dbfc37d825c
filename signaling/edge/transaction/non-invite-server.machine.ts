import { stepper, type Step, type TransitionTable } from "#common/machine.ts";
import { T4, TIMEOUT, type Schedule } from "./timing.ts";

export type State =
  | { readonly name: "trying" }
  | { readonly name: "proceeding" }
  | { readonly name: "completed"; readonly sinceMs: number }
  | { readonly name: "terminated" };

export type Event =
  | { readonly type: "request" }
  | { readonly type: "respond"; readonly status: number; readonly nowMs: number };

export type Effect = { readonly do: "resend" } | { readonly do: "send"; readonly status: number };

const to = (state: State, ...effects: Effect[]): Step<State, Effect> => ({ state, effects });
const respond = (
  _state: State,
  { status, nowMs }: Extract<Event, { type: "respond" }>,
): Step<State, Effect> =>
  to(status < 200 ? { name: "proceeding" } : { name: "completed", sinceMs: nowMs }, { do: "send", status });
const resend = (state: State): Step<State, Effect> => to(state, { do: "resend" });

/** RFC 3261 §17.2.2 figure 8. */
// prettier-ignore
export const table = {
  trying: { respond }, // retransmissions are discarded until there is something to say
  proceeding: { request: resend, respond },
  completed: { request: resend }, // further final responses are discarded
  terminated: {},
} satisfies TransitionTable<State, Event, Effect>;

export const step = stepper<State, Event, Effect>(table);

/**
 * Timer J. Over a connection it would be 0, for no answer is lost there. But the connection may be, together with the process
 * that has it: its client then asks again over the next one.
 */
export function scheduleOf(state: State, reliable: boolean): Schedule {
  switch (state.name) {
    case "trying":
    case "proceeding":
      return {};
    case "completed":
      return { forgetAtMs: state.sinceMs + (reliable ? T4 : TIMEOUT) };
    case "terminated":
      return { forgetAtMs: 0 };
  }
}
