import { createSocket } from "node:dgram";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { SDP } from "#signaling/edge/testing/udp-phone.ts";
import { startTestCalls, type TestCalls } from "./testing/start-calls.ts";
import { dialogOfCaller, openScriptedPhone, type ScriptedPhone } from "./testing/scripted-phone.ts";

let calls: TestCalls;

beforeAll(async () => {
  calls = await startTestCalls({ sessionExpiresSeconds: 2, minSeSeconds: 1 });
});
afterAll(async () => {
  await calls.close();
});

/** Gives signs of life for as long as the call lasts. */
async function untilBye(phone: ScriptedPhone): Promise<void> {
  for (;;) {
    const ping = await phone.next(({ method }) => method === "OPTIONS" || method === "BYE", 8_000);
    phone.answer(ping, 200);
    if (ping.method === "BYE") return;
  }
}

describe("a call whose phones know nothing of session timers (RFC 4028)", () => {
  it("asks both sides for signs of life, and ends with one detail record when one is gone", async () => {
    const alice = await openScriptedPhone(calls.server, "alice", "alice-secret");
    const bob = await openScriptedPhone(calls.server, "bob", "bob-secret");
    alice.say({ method: "INVITE", seq: 1, to: "bob", headers: "Allow: INVITE, UPDATE\r\n", body: SDP });
    const invite = await bob.next("INVITE");
    expect(invite.header("session-expires")).toBe("2;refresher=uas");
    bob.answer(invite, 200, { body: SDP });
    const ok = await alice.next(200);
    await bob.next("ACK");
    alice.say({ method: "ACK", seq: 1, branch: `${alice.name}ack` }, dialogOfCaller(ok));
    const update = await alice.next("UPDATE");
    expect(update.hasBody).toBe(false);
    alice.answer(update, 200);
    bob.answer(await bob.next("OPTIONS"), 405);
    // Both are there: both are asked again.
    alice.answer(
      await alice.next(({ method, cseq }) => method === "UPDATE" && cseq.seq > update.cseq.seq),
      200,
    );
    bob.answer(await bob.next("OPTIONS"), 481);
    bob.answer(await bob.next("BYE"), 481);
    alice.answer(await alice.next("BYE"), 200);
    expect(await calls.details(1)).toMatchObject([{ cause: "peer-lost", status: 200 }]);
    await Promise.all([alice.leave(), bob.leave()]);
  });

  it("of a group ends so too", async () => {
    const alice = await openScriptedPhone(calls.server, "alice", "alice-secret");
    alice.say({
      method: "INVITE",
      seq: 1,
      to: "fire-1",
      headers: "Supported: timer\r\nSession-Expires: 2\r\n",
      body: SDP,
    });
    const ok = await alice.next(200);
    expect(ok.header("session-expires")).toBe("2;refresher=uac");
    alice.say({ method: "ACK", seq: 1, branch: `${alice.name}ack` }, dialogOfCaller(ok));
    // It was to refresh and does not.
    alice.answer(await alice.next("BYE"), 200);
    expect((await calls.details(2)).filter(({ cause }) => cause === "peer-lost")).toHaveLength(2);
    await expect.poll(() => calls.media.legs.size).toBe(0);
    await alice.leave();
  });
});

describe("a callee that leaves the refreshing to us and takes no UPDATE", () => {
  it("is refreshed by re-INVITE with the description that stands, while the caller hears nothing of it", async () => {
    const alice = await openScriptedPhone(calls.server, "alice", "alice-secret");
    const bob = await openScriptedPhone(calls.server, "bob", "bob-secret");
    alice.say({ method: "INVITE", seq: 1, to: "bob", body: SDP });
    // Its first answer: the interval is too short (RFC 4028 §7.3).
    const short = await bob.next("INVITE");
    bob.answer(short, 422, { headers: "Min-SE: 3" });
    const invite = await bob.next(({ method, cseq }) => method === "INVITE" && cseq.seq > short.cseq.seq);
    expect([invite.callId, invite.header("session-expires"), invite.header("min-se"), invite.body]).toEqual([
      short.callId,
      "3;refresher=uas",
      "3",
      SDP,
    ]);
    bob.answer(invite, 200, { headers: "Session-Expires: 3;refresher=uac\r\nRequire: timer", body: SDP });
    const ok = await alice.next(200);
    alice.say({ method: "ACK", seq: 1, branch: `${alice.name}ack` }, dialogOfCaller(ok));
    await bob.next("ACK");
    const callers = untilBye(alice);
    const refresh = (after: SipMessage) =>
      bob.next(({ method, cseq }) => method === "INVITE" && cseq.seq > after.cseq.seq);
    const first = await refresh(invite);
    expect([first.body, first.header("session-expires")]).toEqual([SDP, "3;refresher=uac"]);
    bob.answer(first, 200, { headers: "Session-Expires: 3;refresher=uac\r\nRequire: timer", body: SDP });
    await bob.next(({ method, cseq }) => method === "ACK" && cseq.seq === first.cseq.seq);
    const second = await refresh(first);
    expect(alice.inbox.filter(({ kind, method }) => kind === "request" && method === "INVITE")).toEqual([]);
    bob.answer(second, 481);
    bob.answer(await bob.next("BYE"), 481);
    await callers;
    await Promise.all([alice.leave(), bob.leave()]);
  });
});

describe("a refresh that is answered with media elsewhere (RFC 3264 §8)", () => {
  const AGREED = { headers: "Session-Expires: 2;refresher=uac\r\nRequire: timer" };
  const at = (port: number, version = 1) =>
    SDP.replace("40000", String(port)).replace("o=- 1 1", `o=- 1 ${version}`);

  /** Alice calls bob, who leaves the refreshing to us and takes no UPDATE. Both are there, alice at 40000, bob at 41000. */
  async function talking() {
    const alice = await openScriptedPhone(calls.server, "alice", "alice-secret");
    const bob = await openScriptedPhone(calls.server, "bob", "bob-secret");
    alice.say({ method: "INVITE", seq: 1, to: "bob", headers: "Allow: INVITE, UPDATE\r\n", body: SDP });
    const invite = await bob.next("INVITE");
    bob.answer(invite, 200, { ...AGREED, body: at(41_000) });
    const ok = await alice.next(200);
    const dialog = dialogOfCaller(ok);
    alice.say({ method: "ACK", seq: 1, branch: `${alice.name}ack` }, dialog);
    await bob.next("ACK");
    const refresh = await bob.next(({ method, cseq }) => method === "INVITE" && cseq.seq > invite.cseq.seq);
    expect(refresh.body).toBe(SDP);
    const hangUp = async (): Promise<void> => {
      alice.say({ method: "BYE", seq: 90 }, dialog);
      bob.answer(await bob.next("BYE"), 200);
      await Promise.all([alice.leave(), bob.leave()]);
    };
    return { alice, bob, refresh, hangUp };
  }

  it("is told the other side by a re-INVITE, whose media follows", async () => {
    const { alice, bob, refresh, hangUp } = await talking();
    bob.answer(refresh, 200, { ...AGREED, body: at(41_002, 2) });
    await bob.next("ACK");
    const told = await alice.next("INVITE");
    expect(told.body).toBe(at(41_002, 2));
    alice.answer(told, 200, { body: at(40_000, 2) });
    await alice.next("ACK");
    // The same place once more is no news.
    const again = await bob.next("INVITE");
    expect(again.body).toBe(SDP);
    bob.answer(again, 200, { ...AGREED, body: at(41_002, 3) });
    await bob.next("ACK");
    await hangUp();
    expect(alice.inbox.filter(({ kind, method }) => kind === "request" && method === "INVITE")).toEqual([]);
  });

  it("has the caller's audio follow it there", async () => {
    const alice = await calls.phone("alice");
    await alice.register();
    const bob = await openScriptedPhone(calls.server, "bob", "bob-secret");
    const [first, second] = [await openAudio(), await openAudio()];
    const invite = await alice.invite("bob");
    const asked = await bob.next("INVITE");
    bob.answer(asked, 200, { ...AGREED, body: at(first.port) });
    const call = await invite.answered;
    await bob.next("ACK");
    void call.sendTone(1_000);
    await first.heard;
    const refresh = await bob.next(({ method, cseq }) => method === "INVITE" && cseq.seq > asked.cseq.seq);
    bob.answer(refresh, 200, { ...AGREED, body: at(second.port, 2) });
    await second.heard;
    const hungUp = call.hangup();
    bob.answer(await bob.next("BYE"), 200);
    await hungUp;
    await bob.leave();
    for (const one of [first, second]) one.close();
  });

  it("is told back when the other side moves in its turn, and that is all", async () => {
    const { alice, bob, refresh, hangUp } = await talking();
    bob.answer(refresh, 200, { ...AGREED, body: at(41_002) });
    await bob.next("ACK");
    alice.answer(await alice.next("INVITE"), 200, { body: at(40_004) });
    await alice.next("ACK");
    const back = await bob.next(({ method, body }) => method === "INVITE" && body === at(40_004));
    bob.answer(back, 200, { body: at(41_006) });
    await bob.next("ACK");
    await hangUp();
    expect(alice.inbox.filter(({ kind, method }) => kind === "request" && method === "INVITE")).toEqual([]);
  });

  it("of a phone in a talk group is told the media tier", async () => {
    const alice = await openScriptedPhone(calls.server, "alice", "alice-secret");
    const headers = "Supported: timer\r\nSession-Expires: 2;refresher=uas\r\n";
    alice.say({ method: "INVITE", seq: 1, to: "fire-1", headers, body: SDP });
    const ok = await alice.next(200);
    const dialog = dialogOfCaller(ok);
    alice.say({ method: "ACK", seq: 1, branch: `${alice.name}ack` }, dialog);
    const before = calls.media.log.length;
    alice.answer(await alice.next("INVITE"), 200, { ...AGREED, body: at(40_008) });
    await expect.poll(() => calls.media.log.slice(before).map((line) => line.replace(/ .*\./, " "))).toEqual(["PUT 0 answer"]); // prettier-ignore
    alice.say({ method: "BYE", seq: 90 }, dialog);
    await alice.next(({ status, cseq }) => status === 200 && cseq.method === "BYE");
    await expect.poll(() => calls.media.legs.size).toBe(0);
    await alice.leave();
  });
});

/** A port that audio is sent to; `heard` resolves with its first packet. */
async function openAudio() {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  const heard = once(socket, "message");
  await once(socket, "listening");
  return { port: socket.address().port, heard, close: () => void socket.close() };
}

describe("a transferred call (RFC 5589)", () => {
  it("ends when the phone of one who stayed has died, for all of it", async () => {
    const alice = await openScriptedPhone(calls.server, "alice", "alice-secret");
    const bob = await openScriptedPhone(calls.server, "bob", "bob-secret");
    const carol = await openScriptedPhone(calls.server, "carol", "carol-secret");
    alice.say({ method: "INVITE", seq: 1, to: "bob", body: SDP });
    const invite = await bob.next("INVITE");
    bob.answer(invite, 200, { body: SDP });
    const ok = await alice.next(200);
    const dialog = dialogOfCaller(ok);
    alice.say({ method: "ACK", seq: 1, branch: `${alice.name}ack` }, dialog);
    await bob.next("ACK");
    const contact = "Refer-To: <sip:carol@crossband.test>\r\n";
    alice.say({ method: "REFER", seq: 2, headers: contact }, dialog);
    const carols = await carol.next("INVITE");
    carol.answer(carols, 200, { body: SDP });
    await carol.next("ACK");
    const moved = await bob.next(({ method, cseq }) => method === "INVITE" && cseq.seq > invite.cseq.seq);
    bob.answer(moved, 200, { body: SDP });
    await bob.next(({ method, cseq }) => method === "ACK" && cseq.seq === moved.cseq.seq);
    await expect.poll(() => calls.media.legs.size).toBe(2);
    // Both are asked for signs of life; bob's telephone has forgotten all about it.
    const pinged = untilBye(carol);
    bob.answer(await bob.next("OPTIONS"), 481);
    bob.answer(await bob.next("BYE"), 481);
    await pinged;
    await expect.poll(() => calls.media.legs.size).toBe(0);
    alice.close();
    await Promise.all([bob.leave(), carol.leave()]);
  });
});
