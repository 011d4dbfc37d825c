import { beforeEach, describe, expect, it } from "vitest";
import { statusOf, useTestCalls } from "#signaling/calls/testing/use-calls.ts";
import type { Call } from "#test/peers/sip-phone/call.ts";
import type { Phone } from "#test/peers/sip-phone/phone.ts";
import type { SipResponse } from "#test/peers/sip-phone/sip-text.ts";
import { watch } from "#test/peers/sip-phone/watch.ts";

const calls = useTestCalls({ ringSeconds: 5 });
const { registered, talk } = calls;

beforeEach(() => expect.poll(() => calls.media.legs.size).toBe(0));

/** Alice talks to Bob, Carol is there too. */
async function aliceAndBob() {
  const [alice, bob, carol] = [await registered("alice"), await registered("bob"), await registered("carol")];
  const [ours, bobs] = await talk(alice, bob);
  return { alice, bob, carol, ours, bobs };
}
/** Alice talks to Bob; she has a second device. */
async function aliceTwice() {
  const [alice, bob, second] = [
    await registered("alice"),
    await registered("bob"),
    await registered("alice"),
  ];
  const [ours, bobs] = await talk(alice, bob);
  return { alice, bob, second, ours, bobs };
}
const refer = (phone: Phone, call: Call, to: string, headers: [string, string][] = []): Promise<SipResponse> =>
  phone.endpoint.request(
    call.dialog.request("REFER", [["Contact", phone.contact], ["Refer-To", to.startsWith("<") ? to : `<${phone.uriFor(to)}>`], ...headers]),
    { to: phone.server },
  ); // prettier-ignore
const replacesOf = ({ dialog }: Call, more = "") =>
  `${dialog.callId};to-tag=${dialog.remoteTag ?? ""};from-tag=${dialog.localTag}${more}`;
/** Groups of the media tier that somebody is in, and who. */
const rooms = (): string[][] => {
  const byGroup = Map.groupBy([...calls.media.legs.values()], ({ group }) => group.id);
  return [...byGroup.values()].map((legs) => legs.map(({ member }) => member.id).sort());
};

describe("blind transfer (RFC 3515, RFC 5589 §6)", () => {
  it("connects the other party with whom it is referred to, and tells the referrer each step", async () => {
    const { alice, carol, ours, bobs } = await aliceAndBob();
    expect((await refer(alice, ours, "carol")).status).toBe(202);
    const incoming = await carol.incoming();
    expect(incoming.from).toContain("sip:bob@crossband.test");
    expect(incoming.invite.headers.find(([name]) => name === "Referred-By")?.[1]).toBe(
      "<sip:alice@crossband.test>",
    );
    const carols = incoming.answer();
    await carols.confirmed();
    expect(await ours.ended).toMatchObject({ by: "them" });
    expect(ours.notified).toEqual(["SIP/2.0 100 Trying", "SIP/2.0 180 Ringing", "SIP/2.0 200 OK"]);
    await expect.poll(() => bobs.reinvites).toBe(1);
    await expect.poll(rooms).toEqual([["bob", "carol"]]);
    await carols.hangup();
    expect(await bobs.ended).toMatchObject({ by: "them" });
  });

  it("leaves the call as it was when nobody answers there", async () => {
    const { bob, carol, ours, bobs } = await aliceAndBob();
    await refer(bob, bobs, "carol");
    (await carol.incoming()).reject(486);
    await expect.poll(() => bobs.notified.at(-1)).toBe("SIP/2.0 486 Referred");
    await ours.hold();
    expect(bobs.remoteDirection).toBe("sendonly");
    await ours.hangup();
    await bobs.ended;
  });

  it("goes on when the referrer hangs up at once", async () => {
    const { alice, carol, ours, bobs } = await aliceAndBob();
    await refer(alice, ours, "carol");
    await ours.hangup();
    const carols = (await carol.incoming()).answer();
    await expect.poll(rooms).toEqual([["bob", "carol"]]);
    await bobs.hangup();
    await carols.ended;
  });

  it("ends all of it when the other party hangs up while it rings", async () => {
    const { alice, carol, ours, bobs } = await aliceAndBob();
    await refer(alice, ours, "carol");
    const incoming = await carol.incoming();
    await bobs.hangup();
    await ours.ended;
    await incoming.cancelledByCaller;
  });

  it("puts the other party into a talk group", async () => {
    const { alice, ours, bobs } = await aliceAndBob();
    expect((await refer(alice, ours, "fire-1")).status).toBe(202);
    await ours.ended;
    await expect.poll(rooms).toEqual([["bob"]]);
    expect([...calls.media.legs.values()][0]?.group.id).toBe("fire-1");
    await bobs.hangup();
  });

  it("brings somebody into the talk group that one is in", async () => {
    const [alice, carol] = [await registered("alice"), await registered("carol")];
    const ours = await alice.call("command");
    expect((await refer(alice, ours, "carol")).status).toBe(202);
    const carols = (await carol.incoming()).answer();
    await carols.confirmed();
    await expect.poll(() => ours.notified.at(-1)).toBe("SIP/2.0 200 OK");
    await expect.poll(rooms).toEqual([["alice", "carol"]]);
    await ours.hangup();
    await expect.poll(rooms).toEqual([["carol"]]);
    await carols.hangup();
  });

  it("can be done again by whom it led to", async () => {
    const { alice, carol, ours, bobs } = await aliceAndBob();
    await refer(alice, ours, "carol");
    const carols = (await carol.incoming()).answer();
    await ours.ended;
    await expect.poll(rooms).toEqual([["bob", "carol"]]);
    expect((await refer(carol, carols, "alice")).status).toBe(202);
    const again = (await alice.incoming()).answer();
    await carols.ended;
    await expect.poll(rooms).toEqual([["alice", "bob"]]);
    await again.hangup();
    await bobs.ended;
  });

  it("tells nobody when nobody wants to be told (RFC 4488)", async () => {
    const { alice, carol, ours } = await aliceAndBob();
    const response = await refer(alice, ours, "carol", [["Refer-Sub", "false"]]);
    expect(response.headers).toContainEqual(["Refer-Sub", "false"]);
    (await carol.incoming()).answer();
    await ours.ended;
    expect(ours.notified).toEqual([]);
  });

  it.each([
    ["nobody", 403, "SIP;cause=403;text=\"nobody there\""],
    ["carol", 403, "SIP;cause=403;text=\"not registered\""],
    ["command", 403, "SIP;cause=403;text=\"not a member of the talk group\""],
    ["<sip:carol@crossband.test;method=BYE>", 403, "SIP;cause=403;text=\"only INVITE is referred\""],
    ["<sip:carol@crossband.test?Replaces=x%3Bto-tag%3Dy%3Bfrom-tag%3Dz>", 403, "SIP;cause=403;text=\"no such dialog\""],
    ["<nonsense", 400, "SIP;cause=400;text=\"Refer-To\""],
  ])("to %s is refused with %i, and the call goes on", async (target, status, reason) => {
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    const [ours, bobs] = await talk(alice, bob);
    const response = await refer(alice, ours, target);
    expect(response.status).toBe(status);
    expect(response.headers).toContainEqual(["Reason", reason]);
    await ours.hold();
    expect(bobs.remoteDirection).toBe("sendonly");
  }); // prettier-ignore

  it("outside a call is forbidden", async () => {
    const alice = await registered("alice");
    expect((await alice.outside("REFER", "bob", [["Refer-To", "<sip:carol@crossband.test>"]])).status).toBe(
      403,
    );
  });
});

describe("attended transfer (RFC 5589 §7)", () => {
  it("connects the other parties of two calls, by re-INVITE to each, and ends the referrer's", async () => {
    const { alice, carol, ours: toBob, bobs } = await aliceAndBob();
    await toBob.hold();
    const [toCarol, carols] = await talk(alice, carol);
    const target = `<sip:carol@crossband.test?Replaces=${encodeURIComponent(replacesOf(toCarol))}>`;
    expect((await refer(alice, toBob, target)).status).toBe(202);
    await Promise.all([toBob.ended, toCarol.ended]);
    expect(toBob.notified.at(-1)).toBe("SIP/2.0 200 OK");
    await expect.poll(rooms).toEqual([["bob", "carol"]]);
    await expect.poll(() => [bobs.reinvites, carols.reinvites]).toEqual([2, 1]);
    await bobs.hangup();
    expect(await carols.ended).toMatchObject({ by: "them" });
  });

  it("of somebody else's call is refused", async () => {
    const { alice, carol, ours: toBob } = await aliceAndBob();
    const [, carols] = await talk(alice, carol);
    const target = `<sip:carol@crossband.test?Replaces=${encodeURIComponent(replacesOf(carols))}>`;
    expect((await refer(alice, toBob, target)).status).toBe(403);
  });
});

describe("INVITE with Replaces (RFC 3891)", () => {
  const take = (phone: Phone, target: string, replaces: string) =>
    phone.invite(target, {
      headers: [
        ["Replaces", replaces],
        ["Require", "replaces"],
      ],
    });

  it("moves one's call to another device, with audio for both", async () => {
    const { second, ours, bobs } = await aliceTwice();
    const moved = await (await take(second, "bob", replacesOf(ours))).answered;
    expect(await ours.ended).toMatchObject({ by: "them" });
    await expect.poll(rooms).toEqual([["alice", "bob"]]);
    await expect.poll(() => bobs.reinvites).toBe(1);
    await bobs.hangup();
    await moved.ended;
  });

  it("picks up what rings at a colleague's", async () => {
    const [alice, bob, second] = [
      await registered("alice"),
      await registered("bob"),
      await registered("alice"),
    ];
    const lamp = await watch(second, "bob", "dialog");
    const invite = await alice.invite("bob");
    const incoming = await bob.incoming();
    await invite.ringing();
    await expect.poll(() => lamp.body, { timeout: 5_000 }).toContain("<state>early");
    const [, callId = "", localTag = "", remoteTag = ""] =
      /call-id="([^"]+)" local-tag="([^"]+)" remote-tag="([^"]+)"/.exec(lamp.body) ?? [];
    const picked = await (await take(second, "bob", `${callId};to-tag=${remoteTag};from-tag=${localTag};early-only`)).answered; // prettier-ignore
    await incoming.cancelledByCaller;
    const ours = await invite.answered;
    await expect.poll(rooms).toEqual([["alice", "alice"]]);
    await ours.hangup();
    await picked.ended;
  });

  it.each([
    ["a dialog that is not there", 481, (call: Call) => replacesOf(call).replace("from-tag=", "from-tag=x")],
    [
      "an answered one, when only a ringing one is wanted",
      486,
      (call: Call) => replacesOf(call, ";early-only"),
    ],
    ["nonsense", 400, () => "nonsense"],
    ["an id that is none of ours", 481, () => "a;to-tag=b;from-tag=c"],
  ])("of %s is answered %i", async (_title, status, value) => {
    const { second, ours } = await aliceTwice();
    expect(await statusOf((await take(second, "bob", value(ours))).answered)).toBe(status);
    expect(ours.over).toBe(false);
  });

  it("of somebody else's call is forbidden, of an ended one declined", async () => {
    const { alice, carol, ours } = await aliceAndBob();
    expect(await statusOf((await take(carol, "bob", replacesOf(ours))).answered)).toBe(403);
    await ours.hangup();
    expect(await statusOf((await take(alice, "bob", replacesOf(ours))).answered)).toBe(603);
  });
});
