import { describe, expect, it } from "vitest";
import { newCallId } from "./ids.ts";
import { emptyCall, type CallRecord } from "./record.ts";
import { adoptedBy, givenUpBy, handedTo } from "./workers.ts";

const NOW = 1_000_000;
const LATER = NOW + 20_000;
const call = newCallId();
/** A call with a deadline, so that somebody has to look after it. */
const busy = (worker: string): CallRecord => ({ ...emptyCall(call), worker, timers: { ring: LATER } });
const gone =
  (...dead: string[]) =>
  (instance: string) =>
    !dead.includes(instance);
const adopted = (record: CallRecord, dead: string[], nowMs = NOW) =>
  adoptedBy("me", record, gone(...dead), nowMs);

describe("a call that passes from one instance to another", () => {
  it("has its new worker, and the former one on record", () => {
    expect(handedTo(busy("one"), "two", NOW)).toMatchObject({ worker: "two", former: { one: NOW } });
  });

  it("has nobody on record before its first worker, nor the worker itself", () => {
    expect(handedTo(busy(""), "one", NOW).former).toBeUndefined();
    expect(handedTo(busy("one"), "one", NOW).former).toBeUndefined();
  });

  it("has each of those that had it lately on record, but for one that has it again", () => {
    const third = handedTo(handedTo(busy("one"), "two", NOW), "three", NOW + 1);
    expect(third.former).toEqual({ one: NOW, two: NOW + 1 });
    expect(handedTo(third, "one", NOW + 2)).toMatchObject({
      worker: "one",
      former: { two: NOW + 1, three: NOW + 2 },
    });
  });

  it("forgets them after a while, and at once when nothing of it is under way", () => {
    const second = handedTo(busy("one"), "two", NOW);
    expect(handedTo(second, "two", LATER).former).toBeUndefined();
    expect(handedTo({ ...second, timers: {} }, "two", NOW).former).toBeUndefined();
  });

  it("remembers no more than eight", () => {
    let record = busy("i0");
    for (let i = 1; i <= 12; i++) record = handedTo(record, `i${i}`, NOW + i);
    expect(Object.keys(record.former ?? {})).toEqual(Array.from({ length: 8 }, (_, i) => `i${i + 4}`));
  });
});

describe("adopting a call", () => {
  it("is for the death of its worker", () => {
    expect(adopted(busy("one"), ["one"])).toMatchObject({ from: "one", record: { worker: "me" } });
    expect(adopted(busy("one"), ["two"])).toBeUndefined();
  });

  it("is for the death of one that had it shortly before too, while its worker lives", () => {
    const record = handedTo(busy("one"), "two", NOW);
    const taken = adopted(record, ["one"], NOW + 1_000);
    expect(taken?.from).toBe("one");
    expect(handedTo(taken?.record ?? record, "me", NOW + 1_000)).toMatchObject({
      worker: "me",
      former: { two: NOW + 1_000 },
    });
  });

  it("is done once for each death", () => {
    const taken = adopted(handedTo(busy("one"), "two", NOW), ["one"]);
    expect(adopted(taken?.record ?? busy("one"), ["one"])).toBeUndefined();
  });

  it("is not for one that had it long ago, nor for ourselves", () => {
    const record = handedTo(busy("one"), "two", NOW);
    expect(adopted(record, ["one"], LATER)).toBeUndefined();
    expect(adopted(handedTo(busy("me"), "two", NOW), ["me"])).toBeUndefined();
  });
});

describe("a call that an instance hands over as it leaves", () => {
  it("is its heir's, and its leaving is no death to it", () => {
    const given = givenUpBy("one", busy("one"), "me");
    expect(given.worker).toBe("me");
    expect(adopted(given, ["one"])).toBeUndefined();
    const committed = handedTo(busy("one"), "me", NOW);
    expect(adopted(committed, ["one"])).toBeDefined();
    expect(adopted(givenUpBy("one", committed, "me"), ["one"])).toBeUndefined();
  });

  it("keeps others that had it in hand", () => {
    const record = handedTo(handedTo(busy("one"), "two", NOW), "three", NOW);
    expect(givenUpBy("two", record, "me")).toMatchObject({ worker: "three", former: { one: NOW } });
  });
});
