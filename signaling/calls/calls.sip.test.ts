import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestCalls, type TestCalls } from "./testing/start-calls.ts";

let calls: TestCalls;
beforeAll(async () => {
  calls = await startTestCalls();
});
afterAll(async () => {
  await calls.close();
});

describe("registration", () => {
  it("registers a phone that knows its password", async () => {
    const alice = await calls.phone("alice");
    expect(await alice.register({ expires: 120 })).toBe(120);
    expect(alice.challenges).toHaveLength(1);
  });
});

describe("a call into a talk group", () => {
  it("is answered by the media tier, talks and hangs up", async () => {
    const alice = await calls.phone("alice");
    await alice.register();
    const call = await alice.call("fire-1");
    expect((await call.digitByInfo("5")).status).toBe(200);
    await call.hangup();
    const [detail] = await calls.details(1);
    expect(detail).toMatchObject({ kind: "group", from: "alice", to: "fire-1", cause: "caller-hung-up" });
  });
});
