import { describe, expect, it } from "vitest";
import type { Clock } from "#common/clock.ts";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { silent } from "#common/log.ts";
import { restartDelayOf } from "./restart-delay.ts";
import { WorkerKeeper } from "./worker-keeper.ts";
import type { MediaWorker } from "./worker.ts";

/** A worker that dies when told to. */
function fakeWorker(pid: number) {
  let died: ((cause: Error) => void) | undefined;
  const state = { closed: false };
  const worker = {
    pid,
    onDied: (task: (cause: Error) => void) => {
      died = task;
    },
    close: () => {
      state.closed = true;
    },
  } as unknown as MediaWorker;
  return { worker, state, die: () => died?.(new Error("killed")) };
}

function setUp(results: (MediaWorker | Error)[]) {
  const timers: { ms: number; task: () => void }[] = [];
  let nowMs = 0;
  const clock: Clock = {
    now: () => nowMs,
    after: (ms, task) => {
      const timer = { ms, task };
      timers.push(timer);
      return () => void timers.splice(timers.indexOf(timer), 1);
    },
  };
  const deaths: number[] = [];
  const keeper = new WorkerKeeper({
    clock,
    log: silent,
    onDied: () => deaths.push(nowMs),
    start: () => {
      const next = results.shift() ?? new Error("no more");
      return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
    },
  });
  /** Runs the one timer that is due next and waits for what it starts. */
  const fire = async () => {
    const timer = timers.shift();
    nowMs += timer?.ms ?? 0;
    timer?.task();
    await new Promise(setImmediate);
    return timer?.ms;
  };
  return { keeper, deaths, timers, fire, pass: (ms: number) => (nowMs += ms) };
}

const codeOf = (keeper: WorkerKeeper): string | undefined => {
  try {
    expect(keeper.worker).toBeDefined();
    return undefined;
  } catch (error) {
    return error instanceof CrossbandError ? error.code : "other";
  }
};

describe("the keeper of a media worker", () => {
  it("gives the worker once it runs, and says so when none does", async () => {
    const { worker } = fakeWorker(1);
    const { keeper } = setUp([worker]);
    expect(codeOf(keeper)).toBe(ErrorCode.WorkerUnavailable);
    await keeper.start();
    expect(keeper.worker).toBe(worker);
  });

  it("tells of a death and starts the next one", async () => {
    const [first, second] = [fakeWorker(1), fakeWorker(2)];
    const { keeper, deaths, fire } = setUp([first.worker, second.worker]);
    await keeper.start();
    first.die();
    expect(deaths).toHaveLength(1);
    expect(codeOf(keeper)).toBe(ErrorCode.WorkerUnavailable);
    await fire();
    expect(keeper.pid).toBe(2);
  });

  it("waits longer after each failure in a row", async () => {
    const { keeper, fire } = setUp([]);
    await keeper.start();
    expect([await fire(), await fire(), await fire()]).toEqual([100, 200, 400]);
    expect(restartDelayOf(50)).toBe(60_000);
  });

  it("begins again with the shortest wait after a worker that lived long", async () => {
    const [first, second] = [fakeWorker(1), fakeWorker(2)];
    const { keeper, fire, pass } = setUp([new Error("once"), first.worker, second.worker]);
    await keeper.start();
    await fire();
    pass(120_000);
    first.die();
    expect(await fire()).toBe(100);
  });

  it("closes the worker and starts no other after it was closed", async () => {
    const first = fakeWorker(1);
    const { keeper, timers } = setUp([first.worker]);
    await keeper.start();
    keeper.close();
    first.die();
    expect(first.state.closed).toBe(true);
    expect(timers).toEqual([]);
  });
});
