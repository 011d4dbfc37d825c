import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { SDP } from "#signaling/edge/testing/udp-phone.ts";
import { startTestCalls, type TestCalls } from "./testing/start-calls.ts";
import {
  dialogOfCallee,
  dialogOfCaller,
  openScriptedPhone,
  type ScriptedPhone,
} from "./testing/scripted-phone.ts";

let calls: TestCalls;
let alice: ScriptedPhone;
let bob: ScriptedPhone;
const CHANGED = SDP.replace("40000", "40002");

beforeAll(async () => {
  calls = await startTestCalls({ ringSeconds: 20 });
});
afterAll(async () => {
  await calls.close();
});
beforeEach(async () => {
  alice = await openScriptedPhone(calls.server, "alice", "alice-secret");
  bob = await openScriptedPhone(calls.server, "bob", "bob-secret");
});
afterEach(async () => {
  await Promise.all([alice.leave(), bob.leave()]);
});

async function ring(headers = ""): Promise<SipMessage> {
  alice.say({ method: "INVITE", seq: 1, to: "bob", headers, body: SDP });
  return bob.next("INVITE");
}
/** An established call: each side's dialog. */
async function talk() {
  const invite = await ring();
  bob.answer(invite, 200, { body: SDP });
  const ok = await alice.next(200);
  await bob.next("ACK");
  const ours = dialogOfCaller(ok);
  alice.say({ method: "ACK", seq: 1, branch: `${alice.name}ack` }, ours);
  return { ours, theirs: dialogOfCallee(invite, bob.name) };
}
const of = (method: string, status: number) => (message: SipMessage) =>
  message.kind === "response" && message.status === status && message.cseq.method === method;

describe("offers that cross in a call between two telephones", () => {
  it("do not bother whoever waits: the other side's next try goes on (RFC 3261 §14.1)", async () => {
    const { ours, theirs } = await talk();
    alice.say({ method: "INVITE", seq: 2, body: CHANGED }, ours);
    const changing = await bob.next("INVITE");
    bob.say({ method: "INVITE", seq: 1, branch: `${bob.name}first`, body: CHANGED }, theirs);
    await bob.next(of("INVITE", 491));
    bob.answer(changing, 491);
    await bob.next("ACK");
    expect(alice.inbox.some(({ status }) => status === 491)).toBe(false);
    bob.say({ method: "INVITE", seq: 2, body: CHANGED }, theirs);
    await alice.next(of("INVITE", 491));
    const passedOn = await alice.next("INVITE");
    alice.answer(passedOn, 200, { body: SDP });
    expect((await bob.next(of("INVITE", 200))).body).toBe(SDP);
    alice.say({ method: "BYE", seq: 3 }, ours);
    bob.answer(await bob.next("BYE"), 200);
  });

  it("are offered again by us when nobody else does, and the answer goes back", async () => {
    const { ours } = await talk();
    alice.say({ method: "INVITE", seq: 2, body: CHANGED }, ours);
    const first = await bob.next("INVITE");
    bob.answer(first, 491);
    const again = await bob.next(
      ({ cseq, method }) => method === "INVITE" && cseq.seq > first.cseq.seq,
      6_000,
    );
    expect(again.body).toBe(CHANGED);
    bob.answer(again, 200, { body: SDP });
    expect((await alice.next(of("INVITE", 200))).body).toBe(SDP);
    alice.say({ method: "BYE", seq: 3 }, ours);
    bob.answer(await bob.next("BYE"), 200);
  });
});

describe("a call that is not answered yet", () => {
  it("is changed by UPDATE of either side once offer and answer are done (RFC 3311)", async () => {
    const invite = await ring("Supported: 100rel\r\n");
    bob.answer(invite, 183, { headers: "Require: 100rel\r\nRSeq: 1\r\n", body: SDP });
    const progress = await alice.next(183);
    const ours = dialogOfCaller(progress);
    alice.say(
      { method: "PRACK", seq: 2, headers: `RAck: ${progress.header("rseq") ?? ""} 1 INVITE\r\n` },
      ours,
    );
    bob.answer(await bob.next("PRACK"), 200);
    alice.say({ method: "UPDATE", seq: 3, body: CHANGED }, ours);
    const update = await bob.next("UPDATE");
    expect(update.body).toBe(CHANGED);
    bob.answer(update, 200, { body: CHANGED });
    expect((await alice.next(of("UPDATE", 200))).body).toBe(CHANGED);
    bob.say({ method: "UPDATE", seq: 1, body: SDP }, dialogOfCallee(invite, bob.name));
    alice.answer(await alice.next("UPDATE"), 200, { body: SDP });
    expect((await bob.next(of("UPDATE", 200))).body).toBe(SDP);
    bob.answer(invite, 486);
    await alice.next(486);
  });

  it("may ring at several places behind one contact; the one that answers has the dialog", async () => {
    const invite = await ring();
    bob.answer(invite, 180, { tag: "desk" });
    bob.answer(invite, 183, { tag: "mobile", body: CHANGED });
    expect((await alice.next(183)).body).toBe(CHANGED);
    bob.answer(invite, 200, { tag: "desk", body: SDP });
    const ok = await alice.next(200);
    expect(ok.body).toBe(SDP);
    expect((await bob.next("ACK")).to.tag).toBe("desk");
    alice.say({ method: "ACK", seq: 1, branch: `${alice.name}ack` }, dialogOfCaller(ok));
    // The other place answers as well: it is acknowledged and hung up (RFC 3261 §13.2.2.4).
    bob.answer(invite, 200, { tag: "mobile", body: SDP });
    const [late, bye] = [await bob.next("ACK"), await bob.next("BYE")];
    expect([late.to.tag, bye.to.tag]).toEqual(["mobile", "mobile"]);
    alice.say({ method: "BYE", seq: 2 }, dialogOfCaller(ok));
    expect((await bob.next("BYE")).to.tag).toBe("desk");
  });
});
