import { describe, expect, it } from "vitest";
import type { Call } from "#test/peers/sip-phone/call.ts";
import type { Phone } from "#test/peers/sip-phone/phone.ts";
import { detailsLeft } from "#signaling/calls/testing/details-left.ts";
import { useProcessPair } from "#signaling/calls/testing/process-pair.ts";

const pair = useProcessPair();
const rooms = () => [...pair.media.legs.values()].map(({ member }) => member.id).sort();

/** Alice has referred bob to carol, whose phone rings. */
async function referred(): Promise<{
  ours: Call;
  bobs: Call;
  ringing: Awaited<ReturnType<Phone["incoming"]>>;
}> {
  const [alice, bob, carol] = [
    await pair.registered("alice"),
    await pair.registered("bob"),
    await pair.registered("carol"),
  ];
  const invite = await alice.invite("bob");
  const bobs = (await bob.incoming()).answer();
  const ours = await invite.answered;
  await bobs.confirmed();
  const request = ours.dialog.request("REFER", [
    ["Contact", alice.contact],
    ["Refer-To", "<sip:carol@crossband.test>"],
  ]);
  expect((await alice.endpoint.request(request, { to: alice.server })).status).toBe(202);
  return { ours, bobs, ringing: await carol.incoming() };
}

describe("a transfer when a signaling process is killed with -9", () => {
  it.each([
    ["that has the referrer's call", /"referral"/],
    ["that calls the target", /"dialling"/],
  ])(
    "%s is finished by another: one call each, both parties talk, and hang up together",
    async (_title, record) => {
      const { ours, bobs, ringing } = await referred();
      await pair.killWorkerOf(record);
      const carols = ringing.answer();
      await carols.confirmed(10_000);
      await ours.ended;
      await expect.poll(rooms, { timeout: 10_000 }).toEqual(["bob", "carol"]);
      await bobs.hangup();
      await carols.ended;
      await expect.poll(async () => (await detailsLeft(pair.redis)).map(({ from, to }) => `${from} ${to}`).sort()).toEqual(["alice bob", "bob carol"]); // prettier-ignore
      await expect.poll(rooms, { timeout: 10_000 }).toEqual([]);
    },
  );

  it("leaves no party alone when the other side's process dies with its hang-up untold", async () => {
    const { ours, bobs, ringing } = await referred();
    const carols = ringing.answer();
    await ours.ended;
    await expect.poll(rooms, { timeout: 10_000 }).toEqual(["bob", "carol"]);
    const release = pair.media.hold();
    await carols.hangup();
    await pair.killWorkerOf(/"bridged","name":"ended"|"bridged".*"ended"/);
    release();
    await bobs.ended;
    await expect.poll(rooms, { timeout: 15_000 }).toEqual([]);
  });
});
