import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { SDP } from "#signaling/edge/testing/udp-phone.ts";
import { startTestCalls, type TestCalls } from "./testing/start-calls.ts";
import { dialogOfCaller, openScriptedPhone, type ScriptedPhone } from "./testing/scripted-phone.ts";

let calls: TestCalls;
let alice: ScriptedPhone;
let bob: ScriptedPhone;
const open: ScriptedPhone[] = [];
const EARLY = SDP.replace("40000", "40002");
const LATER = SDP.replace("40000", "40004");

beforeAll(async () => {
  calls = await startTestCalls({ ringSeconds: 20 });
});
afterAll(async () => {
  await calls.close();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((phone) => phone.leave()));
});

async function ring(headers: string, body = SDP) {
  alice = await openScriptedPhone(calls.server, "alice", "alice-secret");
  bob = await openScriptedPhone(calls.server, "bob", "bob-secret");
  open.push(alice, bob);
  alice.say({ method: "INVITE", seq: 1, to: "bob", headers, body });
  return bob.next("INVITE");
}
const reliably = (rseq: number) => `Require: 100rel\r\nRSeq: ${rseq}\r\n`;

describe("100rel between two telephones (RFC 3262)", () => {
  it("goes end to end: early media in a reliable 183, a new offer in the PRACK, the answer in its 200", async () => {
    const invite = await ring("Supported: 100rel\r\nAllow: INVITE, UPDATE, PRACK\r\n");
    expect(invite.supports("100rel")).toBe(true);
    bob.answer(invite, 183, { headers: reliably(77), body: EARLY });
    const progress = await alice.next(183);
    expect(progress.headers("require")).toEqual(["100rel"]);
    expect(progress.body).toBe(EARLY);
    // Until the caller has acknowledged it, it comes again.
    expect((await alice.next(183)).text).toBe(progress.text);
    const rack = `RAck: ${progress.header("rseq") ?? ""} 1 INVITE\r\n`;
    alice.say({ method: "PRACK", seq: 2, headers: rack, body: LATER }, dialogOfCaller(progress));
    const prack = await bob.next("PRACK");
    expect([prack.header("rack"), prack.body]).toEqual([`77 ${invite.cseq.seq} INVITE`, LATER]);
    bob.answer(prack, 200, { body: EARLY });
    const acknowledged = await alice.next(({ cseq, status }) => status === 200 && cseq.method === "PRACK");
    expect(acknowledged.body).toBe(EARLY);
    bob.answer(invite, 200);
    const ok = await alice.next(({ cseq, status }) => status === 200 && cseq.method === "INVITE");
    expect(ok.hasBody).toBe(false);
    await bob.next("ACK");
    alice.say({ method: "ACK", seq: 1, branch: `${alice.name}ack` }, dialogOfCaller(ok));
    alice.say({ method: "BYE", seq: 3 }, dialogOfCaller(ok));
    bob.answer(await bob.next("BYE"), 200);
    expect((await calls.details(1)).at(-1)).toMatchObject({ cause: "caller-hung-up" });
  });

  it("carries the callee's offer in the 183 and the caller's answer in the PRACK when the INVITE has none", async () => {
    const invite = await ring("Require: 100rel\r\n", "");
    bob.answer(invite, 183, { headers: reliably(1), body: EARLY });
    const progress = await alice.next(183);
    const rack = `RAck: ${progress.header("rseq") ?? ""} 1 INVITE\r\n`;
    alice.say({ method: "PRACK", seq: 2, headers: rack, body: LATER }, dialogOfCaller(progress));
    const prack = await bob.next("PRACK");
    expect(prack.body).toBe(LATER);
    bob.answer(prack, 200);
    await alice.next(200);
    bob.answer(invite, 200);
    await bob.next("ACK");
    const ok = await alice.next(200);
    alice.say({ method: "ACK", seq: 1, branch: `${alice.name}ack` }, dialogOfCaller(ok));
    alice.say({ method: "BYE", seq: 3 }, dialogOfCaller(ok));
    bob.answer(await bob.next("BYE"), 200);
    await calls.details(2);
  });

  it("is not offered to the callee of a caller without it, who gets a plain 183", async () => {
    const invite = await ring("");
    expect(invite.supports("100rel")).toBe(false);
    bob.answer(invite, 183, { body: EARLY });
    const progress = await alice.next(183);
    expect([progress.header("rseq"), progress.body]).toEqual([undefined, EARLY]);
    bob.answer(invite, 486);
    await alice.next(486);
    await calls.details(3);
  });

  it("is taken from a caller that requires it, by a group too", async () => {
    const caller = await openScriptedPhone(calls.server, "alice", "alice-secret");
    open.push(caller);
    caller.say({ method: "INVITE", seq: 1, to: "fire-1", headers: "Require: 100rel\r\n", body: SDP });
    const ok = await caller.next(200);
    caller.say({ method: "ACK", seq: 1, branch: `${caller.name}ack` }, dialogOfCaller(ok));
    caller.say({ method: "BYE", seq: 2 }, dialogOfCaller(ok));
    await caller.next(200);
    await calls.details(4);
  });
});
