import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import { notePeer, peerStatuses } from "#state/trunk/peer-status.ts";
import { eventually } from "#signaling/calls/testing/eventually.ts";
import { startTestCalls, TEST_PROVISION, type TestCalls } from "#signaling/calls/testing/start-calls.ts";
import type { Phone } from "#test/peers/sip-phone/phone.ts";
import { CallRefused } from "#test/peers/sip-phone/outgoing-call.ts";
import { runSipp } from "#test/peers/sipp/run-sipp.ts";
import { freeSipPort } from "#test/setup/free-ports.ts";

let calls: TestCalls;
let alice: Phone;
/** Where SIPp is the carrier, and where it is the carrier's second peer. */
let first = 0;
let second = 0;

beforeAll(async () => {
  calls = await startTestCalls();
  [first, second] = [await freeSipPort(), await freeSipPort()];
  await apply(false);
  alice = await calls.phone("alice");
  await alice.register();
});
afterAll(() => calls.close());

async function apply(register: boolean): Promise<void> {
  const trunk = `{ id: sipp, peers: ["127.0.0.71:${first}", "127.0.0.71:${second}"], username: acct, password: carrier-secret, register: ${register}, optionsSeconds: 0,
    allow: [fire], callerId: "+15550001111", outbound: [{ prefix: "+1" }], inbound: [{ did: "+15551230001", to: fire-1 }] }`;
  await applyProvision(
    calls.redis,
    parseProvision(TEST_PROVISION.replace(/trunks:.*/, `trunks: [${trunk}]`)),
  );
}
const carrier = (scenario: string, port: number) =>
  runSipp({
    scenario: `carrier/${scenario}`, server: calls.server, host: "127.0.0.71", port, domain: "carrier.test", user: "carrier",
    password: "unused", service: "+15551230001",
  }); // prettier-ignore

/** Calls out until a trunk takes it: the directory's news may not have arrived. */
async function dial(): Promise<number> {
  for (;;) {
    try {
      const call = await alice.call("sip:+15557770001@crossband.test");
      await call.hangup();
      return 200;
    } catch (error) {
      if (!(error instanceof CallRefused)) throw error;
      if (error.status !== 404) return error.status;
    }
  }
}

describe("SIPp as a carrier", () => {
  it.each([
    ["challenges-call-and-bye", 200],
    ["answers-and-is-hung-up", 200],
    ["busy-486", 486],
  ])("%s: the caller is told %i", async (scenario, status) => {
    const outcome = carrier(scenario, first);
    const told = await dial();
    expect((await outcome).report).toBe("");
    expect(told).toBe(status);
  });

  it("unavailable-503, then answers-and-is-hung-up at the next peer", async () => {
    const outcomes = [carrier("unavailable-503", first), carrier("answers-and-is-hung-up", second)];
    expect(await dial()).toBe(200);
    expect((await Promise.all(outcomes)).map(({ report }) => report)).toEqual(["", ""]);
    await notePeer(calls.redis, "sipp", `127.0.0.71:${first}`, "avoid", undefined);
  });

  it("calls-number-and-takes-floor", async () => {
    const outcome = await carrier("calls-number-and-takes-floor", first);
    expect(outcome.report).toBe("");
    expect(calls.media.log.some((line) => /^POST \S+ \*$/.test(line))).toBe(true);
  });

  it("registers-with-digest", async () => {
    const outcome = carrier("registers-with-digest", first);
    await apply(true);
    expect((await outcome).report).toBe("");
    await eventually(async () => {
      const status = (await peerStatuses(calls.redis, "sipp")).get(`127.0.0.71:${first}`);
      expect(status?.registration?.state).toBe("registered");
    });
  });
});
