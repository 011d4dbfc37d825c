import { expect, it } from "vitest";
import { ANSWER_AFTER_MS, CALL_EVERY_MS, stepDemo, type DemoEvent, type DemoState } from "./demo.machine.ts";

function run(...types: DemoEvent["type"][]) {
  let state: DemoState = { name: "listening" };
  const effects: unknown[] = [];
  for (const type of types) {
    const step = stepDemo(state, { type });
    if (!step) continue;
    state = step.state;
    effects.push(...step.effects);
  }
  return { state: state.name, effects };
}

it("listening --elapsed--> talking: calls, and again later", () => {
  expect(run("elapsed", "said")).toEqual({
    state: "listening",
    effects: [
      { do: "say", what: "call" },
      { do: "wait", ms: CALL_EVERY_MS },
    ],
  });
});

it("answers a moment after others have finished", () => {
  expect(run("keyed", "unkeyed", "elapsed").effects).toEqual([
    { do: "stop-waiting" },
    { do: "wait", ms: ANSWER_AFTER_MS },
    { do: "say", what: "answer" },
  ]);
});

it("waits on when they go on talking", () => {
  expect(run("keyed", "unkeyed", "keyed").state).toBe("hearing");
});

it("does not call while others talk, nor talk over itself", () => {
  expect(run("keyed", "elapsed").state).toBe("hearing");
  expect(run("elapsed", "elapsed", "keyed", "unkeyed")).toMatchObject({
    state: "talking",
    effects: [{ do: "say" }],
  });
});
