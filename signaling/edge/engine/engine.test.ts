import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { Engine } from "./engine.ts";
import { newCallId } from "./ids.ts";
import { createEdgeMetrics } from "./metrics.ts";

/** An engine whose clock stands still until it is turned, over a Redis of one key. */
function setUp() {
  let [nowMs, stored, turn] = [1_000_000, "", (): void => undefined];
  const sent: string[] = [];
  const redis = {
    evalsha: (...args: string[]) => {
      stored = args[7] ?? "";
      return Promise.resolve("committed");
    },
    get: () => Promise.resolve(stored === "" ? null : stored),
  } as unknown as RedisConnection;
  const engine = new Engine({
    instance: "me", secret: "s", whereabouts: { flowsOf: () => Promise.resolve([]), note: () => Promise.resolve() }, redis, log: silent, metrics: createEdgeMetrics(new Registry()), now: () => nowMs,
    ticker: { every(_ms, task) { turn = task; return () => undefined; } },
    transports: {
      send(_flow, text) { sent.push(text.slice(0, text.indexOf(" "))); return Promise.resolve(); },
      onMessage: () => undefined, onFlowClosed: () => undefined, resolve: () => Promise.resolve([]), forCluster: false,
      advertised: () => "192.0.2.1:5060",
    },
  }); // prettier-ignore
  return {
    engine,
    sent,
    /** Time passes; the wheel turns if said so. */
    pass: async (ms: number, turns: boolean) => {
      nowMs += ms;
      if (turns) turn();
      await new Promise((done) => setImmediate(done));
    },
  };
}

describe("a retransmission", () => {
  it("is not skipped for a step that is done after it fell due and before its tick", async () => {
    const { engine, sent, pass } = setUp();
    const call = newCallId();
    const flow = { transport: "udp", host: "10.0.0.9", port: 5060 } as const;
    await engine.begin(call, (step) => {
      step.command({
        type: "request", leg: `${call}.1`, method: "INVITE", uri: "sip:b@10.0.0.9", from: "<sip:a@h>", to: "<sip:b@h>", flow,
      }); // prettier-ignore
      return Promise.resolve();
    });
    expect(sent).toEqual(["INVITE"]);
    await pass(550, false);
    await engine.adopt(call, () => true);
    await pass(50, true);
    expect(sent).toEqual(["INVITE", "INVITE"]);
    await engine.close();
  });
});
