import { afterEach, describe, expect, it } from "vitest";
import { ErrorCode } from "#common/errors.ts";
import { valueOf, valuesOf } from "#test/peers/sip-phone/sip-text.ts";
import { refusalOf, useTestCalls } from "./testing/use-calls.ts";

const calls = useTestCalls({ ringSeconds: 5 });
const { registered } = calls;

afterEach(() => {
  for (const type of ["offer", "none", "answer"] as const) calls.media.refuse(type, undefined);
});

describe("REGISTER (RFC 3261 §10)", () => {
  it("challenges with MD5 and SHA-256, admits the right password and echoes the contact with its expiry", async () => {
    const alice = await calls.phone("alice");
    const first = await alice.endpoint.request({ method: "REGISTER", uri: "sip:crossband.test", headers: [
      ["From", `${alice.nameAddr};tag=1`], ["To", alice.nameAddr], ["Call-ID", "reg-1"], ["CSeq", "1 REGISTER"]], body: "" }, { to: alice.server }); // prettier-ignore
    expect(first.status).toBe(401);
    const offered = valuesOf(first, "www-authenticate");
    expect(offered.map((value) => /algorithm=([\w-]+)/.exec(value)?.[1])).toEqual(["MD5", "SHA-256"]);
    const response = await alice.tryRegister({ expires: 120 });
    expect(response.status).toBe(200);
    expect(valueOf(response, "contact")).toBe(`${alice.contact};expires=120`);
  });

  it.each([
    ["a wrong password", { password: "guess" }],
    ["an unknown user", { user: "mallory", password: "x" }],
  ])("answers %s alike, with a new challenge", async (_title, wrong) => {
    const response = await (await calls.phone("alice", wrong)).tryRegister();
    expect(response.status).toBe(401);
    expect(valuesOf(response, "www-authenticate")).toHaveLength(2);
  });

  it("forbids to register for somebody else", async () => {
    const alice = await calls.phone("alice");
    const draft = { method: "REGISTER", uri: "sip:crossband.test", body: "" };
    let cseq = 0;
    const response = await alice.requestWithDigest(() => ({ ...draft, headers: [
      ["From", "<sip:bob@crossband.test>;tag=1"], ["To", "<sip:bob@crossband.test>"], ["Call-ID", "reg-3"],
      ["CSeq", `${++cseq} REGISTER`], ["Contact", alice.contact]] }), { to: alice.server }); // prettier-ignore
    expect(response.status).toBe(403);
  });

  it("refuses a registration that is too short (423) and names the shortest", async () => {
    const response = await (await calls.phone("alice")).tryRegister({ expires: 5 });
    expect([response.status, valueOf(response, "min-expires")]).toEqual([423, "30"]);
  });

  it("is not the registrar of another domain", async () => {
    const response = await (await calls.phone("alice", { domain: "elsewhere.example" })).tryRegister();
    expect(response.status).toBe(404);
  });

  it("removes the contact with expiry 0", async () => {
    const alice = await registered("alice");
    const response = await alice.tryRegister({ expires: 0 });
    expect([response.status, valuesOf(response, "contact")]).toEqual([200, []]);
  });
});

describe("a call into a talk group", () => {
  it("is answered by the media tier, takes keys by INFO, and leaves one record", async () => {
    const alice = await registered("alice");
    const call = await alice.call("fire-1");
    const leg = call.dialog.remoteTag ?? "";
    expect(calls.media.legs.get(leg)).toMatchObject({
      revision: 1, group: { id: "fire-1", mode: "half-duplex" }, member: { id: "alice", name: "Alice Rivera", kind: "phone", priority: 7 },
    }); // prettier-ignore
    expect((await call.digitByInfo("*")).status).toBe(200);
    await expect.poll(() => calls.media.log).toContain(`POST ${leg} *`);
    await call.hangup();
    await expect.poll(() => calls.media.legs.has(leg)).toBe(false);
    const [detail] = await calls.newDetails(1);
    expect(detail).toMatchObject({
      kind: "group",
      from: "alice",
      to: "fire-1",
      cause: "caller-hung-up",
      status: 200,
      legs: leg,
    });
    expect(detail?.durationMs).toBe((detail?.endMs ?? 0) - (detail?.answerMs ?? 0));
    await expect
      .poll(() => calls.redis.keys("*:call:*"))
      .toEqual(expect.not.arrayContaining([expect.stringContaining(leg)]));
  });

  it("offers when the caller does not, and takes the answer from the ACK (RFC 3261 §13.2.1)", async () => {
    const alice = await registered("alice");
    const call = await alice.call("fire-1", { withoutSdp: true });
    const leg = call.dialog.remoteTag ?? "";
    await expect
      .poll(() => calls.media.log.filter((line) => line.includes(leg)))
      .toEqual([`PUT ${leg} none`, `PUT ${leg} answer`]);
    expect(calls.media.legs.get(leg)?.revision).toBe(2);
    await call.hangup();
    await calls.newDetails(1);
  });

  it("is held and resumed by re-INVITE, each with a new revision (RFC 3264 §8.4)", async () => {
    const alice = await registered("alice");
    const call = await alice.call("fire-1");
    expect((await call.hold()).body).toContain("a=recvonly");
    expect((await call.resume()).body).toContain("a=sendrecv");
    expect(calls.media.legs.get(call.dialog.remoteTag ?? "")?.revision).toBe(3);
    await call.hangup();
    await calls.newDetails(1);
  });

  it("refreshes by UPDATE without a body and with one (RFC 3311)", async () => {
    const alice = await registered("alice");
    const call = await alice.call("fire-1");
    expect((await call.request("UPDATE")).status).toBe(200);
    const changed = await call.request("UPDATE", [["Content-Type", "application/sdp"]], call.localSdp());
    expect([changed.status, valueOf(changed, "content-type")]).toEqual([200, "application/sdp"]);
    await call.hangup();
    await calls.newDetails(1);
  });

  it("keeps talking when a change is refused (488)", async () => {
    const alice = await registered("alice");
    const call = await alice.call("fire-1");
    calls.media.refuse("offer", ErrorCode.SdpNotAcceptable, "no common codec");
    const refused = await call.request("INVITE", [["Content-Type", "application/sdp"]], call.localSdp());
    expect([refused.status, valueOf(refused, "warning")]).toEqual([488, '305 crossband "no common codec"']);
    await call.hangup();
    await calls.newDetails(1);
  });

  it.each([
    [ErrorCode.SdpInvalid, 400, undefined],
    [ErrorCode.SdpNotAcceptable, 488, undefined],
    [ErrorCode.PortsExhausted, 503, "5"],
    [ErrorCode.WorkerUnavailable, 503, "5"],
  ])("is refused when the media tier says %s: %i", async (code, status, retryAfter) => {
    const alice = await registered("alice");
    calls.media.refuse("offer", code);
    const { response } = await refusalOf(alice.call("fire-1"));
    expect([response.status, valueOf(response, "retry-after")]).toEqual([status, retryAfter]);
    expect(await calls.newDetails(1)).toMatchObject([{ cause: "media-refused", status, durationMs: 0 }]);
  });

  it("hangs up when the media tier gives the leg up", async () => {
    const alice = await registered("alice");
    const call = await alice.call("fire-1");
    await calls.media.endLeg(call.dialog.remoteTag ?? "");
    expect(await call.ended).toMatchObject({ by: "them" });
    expect(await calls.newDetails(1)).toMatchObject([{ cause: "media-lost" }]);
  });

  it("is given up by CANCEL while the media tier thinks", async () => {
    const alice = await registered("alice");
    const release = calls.media.hold();
    const invite = await alice.invite("fire-1");
    await expect.poll(() => invite.progress).toContain(100);
    expect(await invite.cancel()).toBe(200);
    expect((await refusalOf(invite.answered)).status).toBe(487);
    release();
    expect(await calls.newDetails(1)).toMatchObject([{ cause: "cancelled", status: 487, durationMs: 0 }]);
    await expect.poll(() => calls.media.legs.size).toBe(0);
  });

  it("hangs up when the answer in the ACK does not do", async () => {
    const alice = await registered("alice");
    calls.media.refuse("answer", ErrorCode.SdpNotAcceptable);
    const call = await alice.call("fire-1", { withoutSdp: true });
    expect(await call.ended).toMatchObject({ by: "them" });
    expect(await calls.newDetails(1)).toMatchObject([{ cause: "media-refused" }]);
  });

  it.each([
    ["nobody", 404],
    ["sip:fire-1@elsewhere.example", 404],
    ["command", 403],
    ["urn:service:sos", 404],
    ["+15559999999", 404],
  ])("to %s is refused with %i", async (target, status) => {
    const bob = await registered("bob");
    expect((await refusalOf(bob.call(target))).status).toBe(status);
  });

  it("is reached by a trunk's number and by the address in place of the domain", async () => {
    const alice = await registered("alice");
    for (const target of ["tel:+1-555-123-0001", `sip:fire-1@${calls.server}`]) {
      const call = await alice.call(target);
      await call.hangup();
    }
    expect(await calls.newDetails(2)).toMatchObject([{ to: "fire-1" }, { to: "fire-1" }]);
  });
});

describe("who is calling", () => {
  it("is asked of a caller who is not registered from there (407), and identity is that of the credentials", async () => {
    const alice = await calls.phone("alice");
    const call = await alice.call("fire-1");
    expect(alice.challenges).toHaveLength(1);
    expect(calls.media.legs.get(call.dialog.remoteTag ?? "")?.member.id).toBe("alice");
    await call.hangup();
    await calls.newDetails(1);
  });

  it("is not asked again of a caller registered from this very address", async () => {
    const alice = await registered("alice");
    const before = alice.challenges.length;
    await (await alice.call("fire-1")).hangup();
    expect(alice.challenges).toHaveLength(before);
    await calls.newDetails(1);
  });

  it("does not take a registered user's name from another address", async () => {
    await registered("alice");
    const mallory = await calls.phone("alice", { password: "guess" });
    expect((await refusalOf(mallory.call("fire-1"))).status).toBe(407);
  });
});

describe("requests that are not for calls", () => {
  it("answers OPTIONS with what it can do (RFC 3261 §11.2)", async () => {
    const response = await (await calls.phone("alice")).askOptions();
    expect(response.status).toBe(200);
    expect(valueOf(response, "allow")).toContain("INVITE");
    expect(valueOf(response, "accept")).toContain("application/sdp");
    expect(valueOf(response, "supported")).toBeDefined();
  });

  it("answers OPTIONS within a call", async () => {
    const alice = await registered("alice");
    const call = await alice.call("fire-1");
    expect((await call.request("OPTIONS")).status).toBe(200);
    await call.hangup();
    await calls.newDetails(1);
  });

  it.each([
    ["NOTIFY", 405, "allow", /INVITE/],
    ["FROBNICATE", 405, "allow", /INVITE/],
    ["UPDATE", 481, "allow", undefined],
  ])("refuses %s outside a dialog with %i", async (method, status, header, value) => {
    const response = await (await calls.phone("alice")).outside(method, "fire-1");
    expect(response.status).toBe(status);
    if (value) expect(valueOf(response, header)).toMatch(value);
  });

  it("refuses a body that is no session description (415) and an extension it lacks (420)", async () => {
    const alice = await registered("alice");
    const text = await alice.outside("INVITE", "fire-1", [["Content-Type", "text/plain"]], "hello");
    expect([text.status, valueOf(text, "accept")]).toEqual([415, "application/sdp"]);
    const required = await alice.outside("INVITE", "fire-1", [["Require", "precondition"]]);
    expect([required.status, valueOf(required, "unsupported")]).toEqual([420, "precondition"]);
  });
});

describe("text messages (RFC 3428)", () => {
  it("reach every contact of a user and are answered as the user answers", async () => {
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    expect((await alice.message("bob", "engine 5 en route")).status).toBe(200);
    expect(await bob.nextMessage()).toMatchObject({ text: "engine 5 en route" });
  });

  it("reach the other members of a group and are taken at once", async () => {
    const [alice, carol, bob] = [
      await registered("alice"),
      await registered("carol"),
      await registered("bob"),
    ];
    expect((await alice.message("command", "all stop")).status).toBe(202);
    expect(await carol.nextMessage()).toMatchObject({ text: "all stop" });
    expect((await bob.message("command", "me too")).status).toBe(403);
  });

  it.each([
    ["bob", 480],
    ["nobody", 404],
  ])("to %s, who cannot be reached, is refused with %i", async (to, status) => {
    const alice = await registered("alice");
    expect((await alice.message(to, "hello")).status).toBe(status);
  });
});
