import { stepper, type Step, type TransitionTable } from "#common/machine.ts";

/** A firefighter with a handheld: calls now and then, and answers when somebody else has talked. */
export type DemoState =
  | { readonly name: "listening" }
  /** Others talk on the channel. */
  | { readonly name: "hearing" }
  /** They stopped; it will answer in a moment. */
  | { readonly name: "about-to-answer" }
  | { readonly name: "talking" };

export type DemoEvent =
  /** The channel is put on the air, or no more. */
  | { readonly type: "keyed" }
  | { readonly type: "unkeyed" }
  /** The timer of the state is up. */
  | { readonly type: "elapsed" }
  /** Its own phrase is over. */
  | { readonly type: "said" };

export type DemoEffect =
  | { readonly do: "say"; readonly what: "call" | "answer" }
  /** Arms the only timer anew. */
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "stop-waiting" };

/** How often it calls while the channel is quiet, in ms: a newcomer hears something within a minute. */
export const CALL_EVERY_MS = 50_000;
/** Its pause for thought before it answers, in ms. */
export const ANSWER_AFTER_MS = 1_500;

const to = (state: DemoState, ...effects: DemoEffect[]): Step<DemoState, DemoEffect> => ({ state, effects });
const wait = (ms: number): DemoEffect => ({ do: "wait", ms });
const hearing = () => to({ name: "hearing" }, { do: "stop-waiting" });

// prettier-ignore
const table: TransitionTable<DemoState, DemoEvent, DemoEffect> = {
  listening: {
    keyed:   hearing,
    elapsed: () => to({ name: "talking" }, { do: "say", what: "call" }),
  },
  hearing: {
    unkeyed: () => to({ name: "about-to-answer" }, wait(ANSWER_AFTER_MS)),
  },
  "about-to-answer": {
    keyed:   hearing,
    elapsed: () => to({ name: "talking" }, { do: "say", what: "answer" }),
  },
  talking: {
    said:    () => to({ name: "listening" }, wait(CALL_EVERY_MS)),
  },
};

export const stepDemo = stepper<DemoState, DemoEvent, DemoEffect>(table);
