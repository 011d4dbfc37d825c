import { stepper, type Step, type TransitionTable } from "#common/machine.ts";
import { T1, T2, T4, TIMEOUT, type Schedule } from "./timing.ts";

export type State =
  | { readonly name: "trying"; readonly sinceMs: number }
  | { readonly name: "proceeding"; readonly sinceMs: number }
  | { readonly name: "completed"; readonly sinceMs: number }
  | { readonly name: "terminated" };

export type Event =
  | { readonly type: "response"; readonly status: number; readonly nowMs: number }
  | { readonly type: "expire" }
  | { readonly type: "transport-error" };

export type Effect = { readonly do: "tell" } | { readonly do: "report"; readonly status: 408 | 503 };

const to = (state: State, ...effects: Effect[]): Step<State, Effect> => ({ state, effects });
const terminated: State = { name: "terminated" };
type Waiting = Extract<State, { name: "trying" | "proceeding" }>;

const waiting = {
  // Timer F runs from the request on, whatever provisional responses come.
  response: (
    { sinceMs }: Waiting,
    { status, nowMs }: Extract<Event, { type: "response" }>,
  ): Step<State, Effect> =>
    to(status < 200 ? { name: "proceeding", sinceMs } : { name: "completed", sinceMs: nowMs }, {
      do: "tell",
    }),
  expire: (): Step<State, Effect> => to(terminated, { do: "report", status: 408 }),
  "transport-error": (): Step<State, Effect> => to(terminated, { do: "report", status: 503 }),
};

/** RFC 3261 §17.1.2.2 figure 6. */
// prettier-ignore
export const table = {
  trying: waiting,
  proceeding: waiting,
  completed: {},
  terminated: {},
} satisfies TransitionTable<State, Event, Effect>;

export const step = stepper<State, Event, Effect>(table);

/** Timers E, F and K. */
export function scheduleOf(state: State, reliable: boolean): Schedule {
  switch (state.name) {
    case "trying":
    case "proceeding": {
      const firstMs = state.name === "trying" ? T1 : T2;
      const resend = { sinceMs: state.sinceMs, firstMs, capMs: T2 };
      return { ...(reliable ? {} : { resend }), expireAtMs: state.sinceMs + TIMEOUT };
    }
    case "completed":
      return { forgetAtMs: state.sinceMs + (reliable ? 0 : T4) };
    case "terminated":
      return { forgetAtMs: 0 };
  }
}
