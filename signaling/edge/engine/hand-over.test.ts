import { describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { HandOver } from "./hand-over.ts";

function handOver(heirs: readonly string[], broken: ReadonlySet<string> = new Set()) {
  const given: [heir: string, calls: readonly string[]][] = [];
  const give = new HandOver({
    heirs: () => Promise.resolve(heirs),
    give: (heir, calls) => {
      if (broken.has(heir)) return Promise.reject(new Error("does not answer"));
      given.push([heir, calls]);
      return Promise.resolve();
    },
    log: silent,
  });
  return { give, given };
}

describe("handing calls over", () => {
  it("gives them to one heir, in batches, each once", async () => {
    const { give, given } = handOver(["two", "three"]);
    await give.begin();
    for (let i = 0; i < 250; i++) give.add(`call-${i % 240}`);
    await give.settled();
    expect(given.map(([heir, calls]) => [heir, calls.length])).toEqual([["two", 100], ["two", 100], ["two", 40]]); // prettier-ignore
  });

  it("goes on with the next heir when one does not answer", async () => {
    const { give, given } = handOver(["two", "three"], new Set(["two"]));
    await give.begin();
    give.add("call");
    await give.settled();
    expect(given).toEqual([["three", ["call"]]]);
    expect(give.heir).toBe("three");
  });

  it.each([[[]], [["two", "three"]]])(
    "leaves them to be adopted when nobody of %j takes them",
    async (heirs) => {
      const { give, given } = handOver(heirs, new Set(heirs));
      await give.begin();
      give.add("call");
      await give.settled();
      expect(given).toEqual([]);
      expect(give.heir).toBeUndefined();
    },
  );
});
