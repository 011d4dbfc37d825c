import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SDP } from "#signaling/edge/testing/udp-phone.ts";
import { startTestCalls, type TestCalls } from "./testing/start-calls.ts";
import { dialogOfCaller, openScriptedPhone } from "./testing/scripted-phone.ts";

let calls: TestCalls;

beforeAll(async () => {
  calls = await startTestCalls({ sessionExpiresSeconds: 2, minSeSeconds: 1 });
});
afterAll(async () => {
  await calls.close();
});

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
