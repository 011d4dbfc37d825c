import { expect, it } from "vitest";
import { createMessageBudget } from "./message-budget.ts";

const spendAll = (budget: ReturnType<typeof createMessageBudget>, nowMs: number): number => {
  let spent = 0;
  while (budget.spend(nowMs)) spent++;
  return spent;
};

it("lets a burst through and then refuses", () => {
  expect(spendAll(createMessageBudget(10, 5), 1_000)).toBe(5);
});

it("gives back at its rate, never more than a burst", () => {
  const budget = createMessageBudget(10, 5);
  spendAll(budget, 1_000);
  expect(spendAll(budget, 1_200)).toBe(2);
  expect(spendAll(budget, 60_000)).toBe(5);
});
