import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { applyProvision, parseProvision, removeResource } from "#state/directory/directory.ts";
import { peerStatuses } from "#state/trunk/peer-status.ts";
import { openStreamWire } from "#signaling/calls/testing/carrier-wire.ts";
import { CARRIER_SDP, openCarrier, type Carrier } from "#signaling/calls/testing/carrier.ts";
import { eventually } from "#signaling/calls/testing/eventually.ts";
import { startTestCalls, TEST_PROVISION, type TestCalls } from "#signaling/calls/testing/start-calls.ts";

let calls: TestCalls;
let one: Carrier;
let two: Carrier;

beforeAll(async () => {
  calls = await startTestCalls();
});
afterAll(() => calls.close());
beforeEach(async () => {
  one = await openCarrier("127.0.0.81");
  two = await openCarrier("127.0.0.82");
});
afterEach(async () => {
  await removeResource(calls.redis, "trunk", "pinged");
  one.close();
  two.close();
});

const healthOf = async ({ peer }: Carrier) =>
  (await peerStatuses(calls.redis, "pinged")).get(peer)?.health?.state;

describe("OPTIONS to the peers of a trunk", () => {
  it("find those that are not fit or take no connection, keep calls from them, and find them fit again", async () => {
    one.on("OPTIONS", () => ({ status: 503 }));
    const wire = await openStreamWire("127.0.0.83", 0);
    const away = await openCarrier("127.0.0.83", wire);
    await wire.refuse();
    for (const each of [one, two]) each.on("INVITE", () => ({ status: 200, body: CARRIER_SDP }));
    const trunk = `{ id: pinged, peers: ["${one.peer}", "${away.peer}", "${two.peer}"], optionsSeconds: 1, allow: ["*"], outbound: [{ prefix: "+1" }] }`;
    await applyProvision(
      calls.redis,
      parseProvision(TEST_PROVISION.replace(/trunks:.*/, `trunks: [${trunk}]`)),
    );
    await eventually(async () => {
      expect([await healthOf(one), await healthOf(away), await healthOf(two)]).toEqual([
        "down",
        "down",
        "up",
      ]);
    });
    const alice = await calls.phone("alice");
    await alice.register();
    const call = await alice.call("sip:+15557770001@crossband.test");
    await two.next("INVITE");
    expect(one.got.filter(({ method }) => method === "INVITE")).toEqual([]);
    await call.hangup();
    one.on("OPTIONS", () => ({ status: 200 }));
    await wire.listen();
    await eventually(async () => {
      expect([await healthOf(one), await healthOf(away)]).toEqual(["up", "up"]);
    });
    away.close();
    const checks = one.got.filter(({ method }) => method === "OPTIONS");
    expect(checks.map(({ cseq }) => cseq.seq)).toEqual(checks.map((_, i) => i + 1));
  });

  it("are obeyed when they ask to be left alone", async () => {
    one.on("OPTIONS", () => ({ status: 503, headers: [["Retry-After", "60"]] }));
    const trunk = `{ id: pinged, peers: ["${one.peer}"], optionsSeconds: 1 }`;
    await applyProvision(
      calls.redis,
      parseProvision(TEST_PROVISION.replace(/trunks:.*/, `trunks: [${trunk}]`)),
    );
    await eventually(async () => {
      const status = (await peerStatuses(calls.redis, "pinged")).get(one.peer);
      expect((status?.avoidUntilMs ?? 0) - Date.now()).toBeGreaterThan(50_000);
    });
  });
});
