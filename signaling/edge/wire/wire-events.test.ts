import { LRUCache } from "lru-cache";
import { describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { legIdOf, newCallId } from "#signaling/edge/engine/ids.ts";
import { fakeStep } from "#signaling/sip-port/testing/fake-step.ts";
import { createWireClients } from "./clients.ts";
import type { WireContext } from "./context.ts";
import { createDelivery } from "./delivery.ts";
import type { EnginePort } from "./engine-port.ts";
import { createWireEvents } from "./wire-events.ts";
import { NEW_CALL, type WireState } from "./wire-state.ts";

const call = newCallId();
const leg = legIdOf(call, 0);

/** Events for one application, and the frames that it was sent. */
function setUp(verbs: readonly string[], tags: readonly string[] = []) {
  const frames: string[] = [];
  const clients = createWireClients();
  if (verbs.length > 0)
    clients.add({
      id: "app",
      tags,
      verbs: new Set(verbs),
      send: (frame) => {
        frames.push(frame);
        return true;
      },
    });
  const context: WireContext = {
    port: { advertised: "127.0.0.1:5060" } as EnginePort,
    clients,
    instance: "one",
    clock: { now: () => 1_000_000 } as WireContext["clock"],
    log: silent,
    owners: new LRUCache({ max: 10 }),
    peers: new LRUCache({ max: 10 }),
    others: () => [],
    forward: () => Promise.resolve(false),
    forwardToAny: () => Promise.resolve(false),
    connectTo: () => Promise.reject(new Error("nobody listens")),
    counters: { frames: 0, refused: 0, unrouted: 0, dropped: 0, forwarded: 0 },
  };
  return { frames, events: createWireEvents(context, createDelivery(context), undefined) };
}

const unacknowledged: WireState = { ...NEW_CALL, unacknowledged: { [leg]: "BYE sip:a@b SIP/2.0\r\n\r\n" } };

describe("a 2xx that nobody acknowledges", () => {
  it("is told as an unsolicited BYE of our own, and as a call record", async () => {
    const { frames, events } = setUp(["invite", "cdr:stop"]);
    const step = fakeStep(call, unacknowledged);
    await events.onEvent({ type: "ack-timeout", leg }, step);
    step.commit();
    expect(frames[0]).toMatch(
      new RegExp(`\\|sip\\|application\\|\\d+\\|\\|\\|\\|[\\d:.]+\\|unsolicited\\|${leg}\\r\\nBYE `),
    );
    expect(frames[1]).toContain("|cdr:stop|application|");
    expect(frames[1]).toContain("|system-initiated-termination\r\n");
    expect(step.record).toBeUndefined();
  });
});

describe("an application that is gone with a request unanswered", () => {
  const pending = {
    leg,
    dialog: false,
    method: "INVITE",
    text: "INVITE sip:a@b SIP/2.0\r\n\r\n",
    untilMs: 2_000_000,
  };
  const state = (tags?: readonly string[]): WireState => ({
    owner: { instance: "one", connection: "gone", ...(tags ? { tags } : {}) },
    pending: { [`${leg}-s1`]: { ...pending, source: { transport: "udp", host: "127.0.0.1", port: 5080 } } },
  });

  it("leaves it to another one of its name", async () => {
    const { frames, events } = setUp(["invite"], ["ivr", "blue"]);
    const step = fakeStep(call, state(["ivr"]));
    await events.recover(step);
    step.commit();
    expect(frames).toHaveLength(1);
    expect(step.record).toMatchObject({ owner: { connection: "app" } });
  });

  it("does not leave it to one of another name: after two seconds the caller hears 480", async () => {
    const { frames, events } = setUp(["invite"], ["conference"]);
    const step = fakeStep(call, state(["ivr"]));
    await events.recover(step);
    expect(step.timers.get("wire-redispatch")).toBe(1_002_000);
    await events.onTimer("wire-redispatch", step);
    step.commit();
    expect(frames).toEqual([]);
    expect(step.commands).toMatchObject([{ type: "reply", status: 480 }]);
  });
});

describe("an application that never answers", () => {
  it("costs the caller 185 seconds, then 480", async () => {
    const { events } = setUp(["invite"]);
    const source = { transport: "udp", host: "127.0.0.1", port: 5080 } as const;
    const overdue = { leg, dialog: false, method: "INVITE", text: "", source, untilMs: 1_000_000 };
    const step = fakeStep(call, { ...NEW_CALL, pending: { [`${leg}-s1`]: overdue } });
    await events.onTimer("wire-answer", step);
    expect(step.commands).toMatchObject([{ type: "reply", status: 480 }]);
    expect(step.record).toBeUndefined();
  });
});

describe("the answer to an application that is gone", () => {
  const response = (status: number) => ({ leg, txn: `${leg}-c1`, text: `SIP/2.0 ${status} OK\r\n\r\n` });

  it("is acknowledged and hung up when nobody comes back for it", async () => {
    const { events } = setUp([]);
    const step = fakeStep(call, { ...NEW_CALL, untold: { [`${leg}-c1`]: response(200) } });
    await events.recover(step);
    expect(step.commands).toEqual([]);
    await events.onTimer("wire-redispatch", step);
    expect(step.commands).toMatchObject([{ type: "ack" }, { type: "in-dialog", method: "BYE" }]);
    expect(step.record).toBeUndefined();
  });
});
