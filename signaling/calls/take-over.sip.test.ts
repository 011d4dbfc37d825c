import { describe, expect, it } from "vitest";
import type { CallDetail } from "#signaling/calls/call/effect.ts";
import { callKey } from "#state/call/call.keys.ts";
import { useProcessPair } from "./testing/process-pair.ts";

const pair = useProcessPair();

async function detailsLeft(): Promise<CallDetail[]> {
  const rows = await Promise.all(
    (await pair.redis.keys("*:cdr")).map((key) => pair.redis.xrange(key, "-", "+")),
  );
  return rows.flat().map(([, fields]) => JSON.parse(fields[1] ?? "{}") as CallDetail);
}

describe("a signaling process killed with -9", () => {
  it("while the media tier is asked leaves the call to another, which asks again and answers", async () => {
    const alice = await pair.registered("alice");
    const release = pair.media.hold();
    const invite = await alice.invite("fire-1");
    await expect.poll(() => invite.progress).toContain(100);
    await pair.killWorkerOf(/./);
    release();
    const call = await invite.answered;
    expect(new Set(pair.media.log.filter((line) => line.startsWith("PUT")))).toEqual(
      new Set([`PUT ${call.dialog.remoteTag ?? ""} offer`]),
    );
    await call.hangup();
    await expect.poll(detailsLeft).toHaveLength(1);
    await expect.poll(() => pair.media.legs.size).toBe(0);
  });

  it("before it has stored a call leaves it to whoever hears the caller again, with the same media leg", async () => {
    const alice = await pair.registered("alice");
    const release = pair.media.hold();
    const asked = pair.nextMediaRequest();
    const invite = await alice.invite("fire-1");
    const { from, leg } = await asked;
    await pair.kill(from);
    expect(await pair.redis.exists(callKey(leg.replace(/\.0$/, "")))).toBe(0);
    release();
    const call = await invite.answered;
    expect(call.dialog.remoteTag).toBe(leg);
    expect(pair.media.log).toEqual([`PUT ${leg} offer`, `PUT ${leg} offer`]);
    await call.hangup();
    await expect.poll(detailsLeft).toHaveLength(1);
    await expect.poll(() => pair.media.legs.size).toBe(0);
  });

  it("while the callee rings leaves the call to another: it is answered, talked in and ended once", async () => {
    const [alice, bob] = [await pair.registered("alice"), await pair.registered("bob")];
    const invite = await alice.invite("bob");
    const incoming = await bob.incoming();
    await invite.ringing();
    await pair.killWorkerOf(/./);
    const theirs = incoming.answer();
    const ours = await invite.answered;
    await theirs.confirmed(10_000);
    await theirs.hangup();
    await ours.ended;
    await expect.poll(detailsLeft).toMatchObject([{ cause: "callee-hung-up", from: "alice", to: "bob" }]);
  });

  it("while the callee rings does not keep the caller from giving up", async () => {
    const [alice, bob] = [await pair.registered("alice"), await pair.registered("bob")];
    const invite = await alice.invite("bob");
    const incoming = await bob.incoming();
    await invite.ringing();
    await pair.killWorkerOf(/./);
    expect(await invite.cancel()).toBe(200);
    await incoming.cancelledByCaller;
    await expect(invite.answered).rejects.toMatchObject({ status: 487 });
    await expect.poll(detailsLeft).toMatchObject([{ cause: "cancelled" }]);
  });

  it("while the media tier removes a leg leaves that to another", async () => {
    const alice = await pair.registered("alice");
    const call = await alice.call("fire-1");
    const release = pair.media.hold();
    await call.hangup();
    await pair.killWorkerOf(/./);
    release();
    await expect.poll(() => pair.media.legs.size, { timeout: 20_000 }).toBe(0);
    await expect.poll(detailsLeft).toHaveLength(1);
  });
});
