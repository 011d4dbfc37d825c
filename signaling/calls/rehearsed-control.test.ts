import { expect, it, vi } from "vitest";
import { silent } from "#common/log.ts";
import { CALLEE } from "#signaling/edge/rehearsal/rehearsed-call.ts";
import { rehearse } from "#signaling/edge/rehearsal/rehearse.ts";
import { rehearsedControl } from "./rehearsed-control.ts";

it("takes every rehearsed call all the way: rung, answered or cancelled, hung up and recorded once", async () => {
  const rehearsal = await rehearse((port) => rehearsedControl(port, CALLEE), silent, {
    calls: 12,
    limitMs: 30_000,
  });
  expect(rehearsal).toMatchObject({ completed: 12, details: 12 });
});

it("breaks off when its time is over, for callers wait", async () => {
  const rehearsal = await rehearse((port) => rehearsedControl(port, CALLEE), silent, { limitMs: 0 });
  expect(rehearsal.completed).toBe(0);
});

it("never keeps a process from starting: a fault ends it and is said", async () => {
  const log = {
    ...silent,
    warn: vi.fn(),
    info: vi.fn(),
    error: vi.fn(),
    debug: vi.fn(),
  } as unknown as typeof silent;
  const broken = { onEvent: () => Promise.reject(new Error("bug")), onTimer: () => Promise.resolve(), recover: () => Promise.resolve() }; // prettier-ignore
  const rehearsal = await rehearse(() => broken, log, { calls: 1, limitMs: 30_000 });
  expect(rehearsal.completed).toBe(0);
  expect(log.warn).toHaveBeenCalledWith(expect.anything(), "rehearsal broken off");
});
