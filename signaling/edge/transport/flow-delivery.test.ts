import { describe, expect, it } from "vitest";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Rpc } from "#state/rpc/rpc.ts";
import { flowDelivery } from "./flow-delivery.ts";

function set(options: { known?: string[]; fresh?: string[]; call?: Rpc["call"] } = {}) {
  const { known = ["two"], fresh = known } = options;
  const [delivered, outcomes, asked]: [string[], string[], boolean[]] = [[], [], []];
  const deliver = flowDelivery({
    rpc: {
      call:
        options.call ??
        ((_instance, { body }) => {
          delivered.push((body as { bytes: string }).bytes);
          return Promise.resolve({});
        }),
    },
    living(now) {
      asked.push(now);
      return Promise.resolve(new Set(now ? fresh : known));
    },
    measure: (outcome) => outcomes.push(outcome),
  });
  return { deliver, delivered, outcomes, asked };
}

describe("a message for a connection of another process", () => {
  it("is handed over in the order in which it was given", async () => {
    const { deliver, delivered, outcomes } = set();
    const numbers = Array.from({ length: 100 }, (_, i) => String(i));
    await Promise.all(numbers.map((bytes) => deliver("two", "c", bytes)));
    expect(delivered).toEqual(numbers);
    expect(new Set(outcomes)).toEqual(new Set(["delivered"]));
  });

  it("fails at once when that process is dead, and says so", async () => {
    const { deliver, delivered, outcomes } = set({ known: [] });
    await expect(deliver("two", "c", "x")).rejects.toMatchObject({
      code: "FLOW_GONE",
      context: { owner: "gone" },
    });
    expect([delivered, outcomes]).toEqual([[], ["owner-gone"]]);
  });

  it("reaches a process that has only just started, in order, after one look for all", async () => {
    const { deliver, delivered, asked } = set({ known: [], fresh: ["two"] });
    await Promise.all(["a", "b", "c"].map((bytes) => deliver("two", "c", bytes)));
    expect(delivered).toEqual(["a", "b", "c"]);
    expect(asked.filter(Boolean)).toHaveLength(1);
  });

  it("counts a process that does not answer as dead, and one that has no such connection as alive", async () => {
    const failing = (code: ErrorCode) =>
      set({ call: () => Promise.reject(new CrossbandError(code, "no")) }).deliver;
    await expect(failing(ErrorCode.RpcTimeout)("two", "c", "x")).rejects.toMatchObject({
      context: { owner: "gone" },
    });
    await expect(failing(ErrorCode.RpcRefused)("two", "c", "x")).rejects.not.toMatchObject({
      context: { owner: "gone" },
    });
  });

  it("is refused when too many wait", async () => {
    const { deliver, outcomes } = set({ call: () => new Promise(() => undefined) });
    for (let i = 0; i < 2_000; i++) void deliver("two", "c", "x");
    await expect(deliver("two", "c", "x")).rejects.toMatchObject({ code: "FLOW_GONE" });
    expect(outcomes).toEqual(["too-many"]);
  });
});
