import { describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import type { LegRequest } from "#common/media-control.ts";
import { PortPool } from "#media/rtp/port-pool.ts";
import { FakeClock } from "#media/testing/fake-clock.ts";
import { halfDuplex } from "#media/testing/policies.ts";
import { freeUdpRange } from "#test/setup/free-ports.ts";
import { MediaThread } from "./media-thread.ts";
import type { ThreadMessage } from "./messages.ts";

const sdp =
  "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
const request = (changes: Partial<LegRequest> = {}): LegRequest => ({
  revision: 1,
  group: halfDuplex("g"),
  member: { id: "alice", name: "Alice", kind: "phone", priority: 5 },
  description: { type: "offer", sdp },
  ...changes,
});

async function startThread(silentLegMs = 60_000) {
  const told: ThreadMessage[] = [];
  const clock = new FakeClock();
  const from = await freeUdpRange(40);
  const thread = new MediaThread({
    rtp: { host: "127.0.0.1", advertised: "127.0.0.1", ports: new PortPool(from, from + 39), silentLegMs },
    browsers: () => Promise.reject(new Error("no worker")),
    clock,
    log: silent,
    tell: (message) => told.push(message),
  });
  await thread.ready();
  const kinds = () => told.map(({ kind }) => kind);
  return { thread, clock, told, kinds, close: () => thread.run({ do: "close" }) };
}

describe("a media thread", () => {
  it("has no timer while it has no group, and one while groups are silent", async () => {
    const { thread, clock, close } = await startThread();
    expect(clock.armed).toBe(0);
    await thread.run({ do: "put-leg", leg: "a", request: request() });
    expect(clock.armed).toBe(1);
    await thread.run({ do: "delete-leg", leg: "a" });
    expect(clock.armed).toBe(0);
    await close();
  });

  it("forgets group and leg with the last participant, and says so", async () => {
    const { thread, kinds, close } = await startThread();
    await thread.run({ do: "put-leg", leg: "a", request: request() });
    await thread.run({ do: "delete-leg", leg: "a" });
    expect(kinds().slice(-2)).toEqual(["leg-gone", "group-gone"]);
    await close();
  });

  it("serves phones though browsers cannot be connected, and refuses those", async () => {
    const { thread, close } = await startThread();
    await expect(thread.run({ do: "put-leg", leg: "a", request: request() })).resolves.toHaveProperty(
      "description.type",
      "answer",
    );
    const browser = request({
      description: { type: "none", webrtc: true },
      member: { id: "b", name: "b", kind: "browser", priority: 5 },
    });
    await expect(thread.run({ do: "put-leg", leg: "b", request: browser })).rejects.toMatchObject({
      code: "WORKER_UNAVAILABLE",
    });
    await close();
  });

  it("keeps nothing of a leg whose first offer is refused", async () => {
    const { thread, kinds, told, close } = await startThread();
    const bad = request({ description: { type: "offer", sdp: "v=0\r\n" } });
    await expect(thread.run({ do: "put-leg", leg: "a", request: bad })).rejects.toMatchObject({
      code: "SDP_INVALID",
    });
    expect(kinds()).toEqual(["leg-gone", "group-gone"]);
    expect(told).toContainEqual({ kind: "leg-gone", leg: "a", group: "g" });
    await close();
  });

  it("does not let a leg in that was removed while it negotiated", async () => {
    const { thread, close } = await startThread();
    const put = thread.run({ do: "put-leg", leg: "a", request: request() });
    await Promise.resolve();
    await thread.run({ do: "delete-leg", leg: "a" });
    await put.catch(() => undefined);
    await thread.run({ do: "delete-leg", leg: "a" });
    await expect(thread.run({ do: "snapshot", group: "g" })).resolves.toMatchObject({ participants: [] });
    await close();
  });

  it("moves a leg that is asked for in another group", async () => {
    const { thread, close } = await startThread();
    await thread.run({ do: "put-leg", leg: "a", request: request() });
    await thread.run({ do: "put-leg", leg: "a", request: request({ revision: 2, group: halfDuplex("h") }) });
    await expect(thread.run({ do: "snapshot", group: "g" })).resolves.toMatchObject({ participants: [] });
    await expect(thread.run({ do: "snapshot", group: "h" })).resolves.toMatchObject({
      participants: [{ leg: "a" }],
    });
    await close();
  });

  it("ends a phone that has been silent too long, and tells signaling", async () => {
    const { thread, clock, told, close } = await startThread(10_000);
    await thread.run({ do: "put-leg", leg: "a", request: request() });
    clock.advance(11_000);
    expect(told).toContainEqual({
      kind: "event",
      event: { type: "leg-ended", group: "g", leg: "a", reason: "silent" },
    });
    await expect(thread.run({ do: "snapshot", group: "g" })).resolves.toMatchObject({ participants: [] });
    await close();
  });

  it("does not end a phone for its silence while it is on hold", async () => {
    const { thread, clock, told, close } = await startThread(10_000);
    await thread.run({
      do: "put-leg",
      leg: "a",
      request: request({ description: { type: "offer", sdp: `${sdp}a=inactive\r\n` } }),
    });
    clock.advance(60_000);
    expect(told.filter((message) => message.kind === "event" && message.event.type === "leg-ended")).toEqual(
      [],
    );
    await close();
  });

  it("follows a change of the group's talk limit", async () => {
    const { thread, clock, close } = await startThread();
    await thread.run({ do: "put-leg", leg: "a", request: request() });
    await thread.run({
      do: "put-leg",
      leg: "a",
      request: request({ revision: 2, group: halfDuplex("g", { maxTalkMs: 2_000 }) }),
    });
    await thread.run({ do: "digit", leg: "a", digit: "*" });
    await expect(thread.run({ do: "snapshot", group: "g" })).resolves.toMatchObject({
      floor: { state: "taken" },
    });
    clock.advance(2_000);
    await expect(thread.run({ do: "snapshot", group: "g" })).resolves.toMatchObject({
      floor: { state: "idle" },
    });
    await close();
  });

  it("answers for legs and groups that it does not know", async () => {
    const { thread, close } = await startThread();
    await expect(thread.run({ do: "digit", leg: "x", digit: "1" })).resolves.toEqual({});
    const press = { group: "x", leg: "x", hold: "1", action: "request" } as const;
    await expect(thread.run({ do: "floor", request: press })).resolves.toMatchObject({
      outcome: "denied",
      cause: "listen-only",
    });
    await close();
  });
});
