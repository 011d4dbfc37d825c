import { describe, expect, it } from "vitest";
import { ErrorCode } from "#common/errors.ts";
import type { Call } from "#test/peers/sip-phone/call.ts";
import { statusOf, useTestCalls } from "./testing/use-calls.ts";

const calls = useTestCalls({ ringSeconds: 5 });
const { registered } = calls;
const nextDetail = async () => (await calls.newDetails(1)).at(-1);

/** Each hears what the other says: their RTP goes straight to each other. */
async function hearEachOther(one: Call, other: Call): Promise<void> {
  await Promise.all([one.sendTone(1_000, { ms: 100 }), other.sendTone(700, { ms: 100 })]);
  await Promise.all([one.heard.atLeast(60), other.heard.atLeast(60)]);
}

/** Both ends of an established call from alice to bob. */
async function talk(options: { withoutSdp?: boolean } = {}) {
  const [alice, bob] = [await registered("alice"), await registered("bob")];
  const invite = await alice.invite("bob", options);
  const incoming = await bob.incoming();
  const theirs = incoming.answer();
  const ours = await invite.answered;
  await theirs.confirmed();
  return { alice, bob, ours, theirs, incoming };
}

describe("a call between two telephones", () => {
  it("rings, is answered with the callee's own session description, and ends when the caller hangs up", async () => {
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    const invite = await alice.invite("bob");
    const incoming = await bob.incoming();
    expect(incoming.from).toContain('"Alice Rivera" <sip:alice@crossband.test>');
    expect(await invite.ringing()).toBe(180);
    const theirs = incoming.answer();
    const ours = await invite.answered;
    await theirs.confirmed();
    await hearEachOther(ours, theirs);
    expect(calls.media.log).toEqual([]);
    await ours.hangup();
    expect(await theirs.ended).toMatchObject({ by: "them" });
    expect(await nextDetail()).toMatchObject({
      kind: "user",
      from: "alice",
      to: "bob",
      cause: "caller-hung-up",
      status: 200,
    });
  });

  it("ends when the callee hangs up", async () => {
    const { ours, theirs } = await talk();
    await theirs.hangup();
    expect(await ours.ended).toMatchObject({ by: "them" });
    expect(await nextDetail()).toMatchObject({ cause: "callee-hung-up" });
  });

  it("passes the callee's offer back when the caller makes none, and the answer on in the ACK", async () => {
    const { ours, theirs } = await talk({ withoutSdp: true });
    await expect.poll(() => theirs.acknowledged).toBe(true);
    await hearEachOther(ours, theirs);
    await ours.hangup();
    await nextDetail();
  });

  it("is held and resumed from both sides", async () => {
    const { ours, theirs } = await talk();
    await ours.hold();
    expect(theirs.remoteDirection).toBe("sendonly");
    await ours.resume();
    expect(theirs.remoteDirection).toBe("sendrecv");
    await theirs.hold();
    expect(ours.remoteDirection).toBe("sendonly");
    expect([ours.reinvites, theirs.reinvites]).toEqual([1, 2]);
    await ours.hangup();
    await nextDetail();
  });

  it("passes telephone keys on as INFO", async () => {
    const { ours, theirs } = await talk();
    expect((await ours.digitByInfo("7")).status).toBe(200);
    await expect.poll(() => theirs.infos).toEqual([expect.stringContaining("Signal=7")]);
    await ours.hangup();
    await nextDetail();
  });

  it("stops ringing when the caller gives up", async () => {
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    const invite = await alice.invite("bob");
    const incoming = await bob.incoming();
    await invite.ringing();
    expect(await invite.cancel()).toBe(200);
    await incoming.cancelledByCaller;
    expect(await statusOf(invite.answered)).toBe(487);
    expect(await nextDetail()).toMatchObject({
      cause: "cancelled",
      status: 487,
      answerMs: 0,
      durationMs: 0,
      legs: "",
    });
  });

  it.each([
    [486, "Busy Here"],
    [603, "Decline"],
    [480, "Temporarily Unavailable"],
  ])("is refused with the callee's %i", async (status, reason) => {
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    const invite = await alice.invite("bob");
    (await bob.incoming()).reject(status, reason);
    expect(await statusOf(invite.answered)).toBe(status);
    expect(await nextDetail()).toMatchObject({ cause: "rejected", status });
  });

  it("gives up with 480 when nobody picks up in time, and stops ringing", async () => {
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    const invite = await alice.invite("bob");
    const incoming = await bob.incoming();
    expect(await statusOf(invite.answered)).toBe(480);
    await incoming.cancelledByCaller;
    expect(await nextDetail()).toMatchObject({ cause: "no-answer", status: 480 });
  });

  it("is refused with 480 when the callee is not registered", async () => {
    const alice = await registered("alice");
    expect(await statusOf(alice.call("bob"))).toBe(480);
  });
});

describe("a callee with several contacts", () => {
  it("rings all of them; the first to answer has the call and the others stop", async () => {
    const [alice, desk, mobile] = [
      await registered("alice"),
      await registered("bob"),
      await registered("bob"),
    ];
    const invite = await alice.invite("bob");
    const [atDesk, atMobile] = [await desk.incoming(), await mobile.incoming()];
    const theirs = atMobile.answer();
    const ours = await invite.answered;
    await atDesk.cancelledByCaller;
    await theirs.confirmed();
    await hearEachOther(ours, theirs);
    await theirs.hangup();
    await ours.ended;
    await nextDetail();
  });

  it("goes on ringing when one is busy, and tells busy when all are", async () => {
    const [alice, desk, mobile] = [
      await registered("alice"),
      await registered("bob"),
      await registered("bob"),
    ];
    const invite = await alice.invite("bob");
    const [atDesk, atMobile] = [await desk.incoming(), await mobile.incoming()];
    atDesk.reject(486, "Busy Here");
    atMobile.reject(404, "Not Found");
    expect(await statusOf(invite.answered)).toBe(486);
    await nextDetail();
  });

  it("stops all of them when one declines for good (6xx)", async () => {
    const [alice, desk, mobile] = [
      await registered("alice"),
      await registered("bob"),
      await registered("bob"),
    ];
    const invite = await alice.invite("bob");
    const [atDesk, atMobile] = [await desk.incoming(), await mobile.incoming()];
    atDesk.reject(603, "Decline");
    await atMobile.cancelledByCaller;
    expect(await statusOf(invite.answered)).toBe(603);
    await nextDetail();
  });

  it("reaches one's own other telephone", async () => {
    const [desk, mobile] = [await registered("alice"), await registered("alice")];
    const invite = await desk.invite("alice");
    const theirs = (await mobile.incoming()).answer();
    await (await invite.answered).hangup();
    await theirs.ended;
    await nextDetail();
  });
});

describe("a call that a browser takes part in", () => {
  /** What a browser offers, as far as signaling looks at it. */
  const browserSdp = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0",
    "m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=rtpmap:0 PCMU/8000", ""].join("\r\n"); // prettier-ignore

  async function anchored() {
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    const invite = await alice.invite("bob", { sdp: browserSdp });
    const incoming = await bob.incoming();
    return { alice, bob, invite, incoming };
  }

  it("has both sides in a full-duplex group of its own, and takes them down with it", async () => {
    const { invite, incoming } = await anchored();
    const theirs = incoming.answer();
    const ours = await invite.answered;
    const call = (ours.dialog.remoteTag ?? "").replace(/\.0$/, "");
    await expect.poll(() => calls.media.log.filter((line) => line.includes(call)).toSorted()).toEqual([
      `PUT ${call}.0 offer`, `PUT ${call}.1 answer`, `PUT ${call}.1 none`,
    ]); // prettier-ignore
    expect(calls.media.legs.get(`${call}.0`)).toMatchObject({
      group: { id: `call-${call}`, mode: "full-duplex" },
      member: { id: "alice", kind: "browser" },
    });
    expect(calls.media.legs.get(`${call}.1`)).toMatchObject({ member: { id: "bob", kind: "phone" } });
    expect((await theirs.hold()).body).toContain("a=recvonly");
    await ours.hangup();
    await theirs.ended;
    await expect.poll(() => calls.media.legs.size).toBe(0);
    await nextDetail();
  });

  it("takes the media legs down when the callee is busy, and when the caller gives up", async () => {
    const busy = await anchored();
    busy.incoming.reject(486, "Busy Here");
    expect(await statusOf(busy.invite.answered)).toBe(486);
    await nextDetail();
    const cancelled = await anchored();
    await cancelled.invite.cancel();
    await cancelled.incoming.cancelledByCaller;
    await nextDetail();
    await expect.poll(() => calls.media.legs.size).toBe(0);
  });

  it("is refused when the media tier does not take the caller's offer", async () => {
    const [alice] = [await registered("alice"), await registered("bob")];
    calls.media.refuse("offer", ErrorCode.SdpNotAcceptable);
    expect(await statusOf(alice.call("bob", { sdp: browserSdp }))).toBe(488);
    calls.media.refuse("offer", undefined);
    expect(await nextDetail()).toMatchObject({ cause: "media-refused", status: 488 });
  });

  it("hangs both sides up when one of its media legs is lost", async () => {
    const { invite, incoming } = await anchored();
    const theirs = incoming.answer();
    const ours = await invite.answered;
    await theirs.confirmed();
    await calls.media.endLeg(ours.dialog.remoteTag ?? "");
    expect(await ours.ended).toMatchObject({ by: "them" });
    expect(await theirs.ended).toMatchObject({ by: "them" });
    expect(await nextDetail()).toMatchObject({ cause: "media-lost" });
  });
});
