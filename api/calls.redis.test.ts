import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commitStep } from "#state/call/commit-step.ts";
import { bucketTag } from "#state/redis/bucket.ts";
import { appendTraces } from "#state/trace/append-traces.ts";
import { startTestApi, type TestApi } from "./testing/start-test-api.ts";

let api: TestApi;
let call = "";
beforeAll(async () => {
  api = await startTestApi(() => Promise.resolve({}));
  call = `${bucketTag(17)}${Date.now().toString(36)}0123456789abcdef`;
  const record = { call, worker: "one", legs: {}, timers: {} };
  const state = { kind: "user", name: "talking", from: "sip:alice@x", to: "sip:bob@x", startMs: 5 };
  await commitStep(api.redis, {
    call, expected: undefined, next: { revision: "aaaa0001", body: `${JSON.stringify(record)}\n${JSON.stringify(state)}` },
    ttlMs: 60_000, dueAtMs: undefined, details: [],
  }); // prettier-ignore
  await appendTraces(
    api.redis,
    "one",
    [{ call, callId: `${call}@phone`, startMs: 5, entries: [{ type: "mark", atUs: 7, instance: "one", mark: "timer", detail: "x" }] }],
    { keepMs: 60_000, maxCalls: 100_000, maxBytes: 10_000, maxEntries: 10 },
  ); // prettier-ignore
});
afterAll(() => api.stop());

const get = async (path: string, token?: string) => {
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  const response = await fetch(`${api.http}${path}`, { headers });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
};

describe("calls in the API", () => {
  it("are listed for the administrator", async () => {
    const { status, json } = await get("/v1/calls", api.admin);
    expect(status).toBe(200);
    expect(json["items"]).toContainEqual({
      call, kind: "user", from: "alice", to: "bob", state: "talking", startMs: 5, legs: 0, worker: "one", unfinished: false,
    }); // prettier-ignore
  });

  it("have a trace, by id and by Call-ID", async () => {
    for (const id of [call, `${call}@phone`]) {
      const { status, json } = await get(`/v1/calls/${encodeURIComponent(id)}/trace`, api.admin);
      expect(status).toBe(200);
      expect(json["traces"]).toEqual([
        { call, lost: 0, entries: [{ type: "mark", atUs: 7, instance: "one", mark: "timer", detail: "x" }] },
      ]);
    }
    expect((await get("/v1/calls/nobody/trace", api.admin)).status).toBe(404);
  });

  it("are nobody else's business", async () => {
    for (const path of ["/v1/calls", `/v1/calls/${call}/trace`]) {
      expect((await get(path)).status).toBe(401);
      expect((await get(path, "wrong")).status).toBe(401);
    }
  });
});
