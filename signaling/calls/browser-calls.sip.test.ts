import { SessionState } from "sip.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { established, openSipJsClient, type SipJsClient } from "./testing/sip-js-client.ts";
import { startTestCalls, type TestCalls } from "./testing/start-calls.ts";

let calls: TestCalls;
let page: SipJsClient;

beforeAll(async () => {
  calls = await startTestCalls();
  const server = calls.roles[0]?.card().listeners["ws"] ?? "";
  page = await openSipJsClient(server, "alice", "crossband.test", "alice-secret");
});
afterAll(async () => {
  await page.close();
  await calls.close();
});

describe("a browser with SIP.js", () => {
  it("registers: the 200 echoes its own contact", async () => {
    await page.register();
  });

  it("joins a group without an offer: ours suits WebRTC, its answer comes in the ACK, its leg is the To-tag", async () => {
    const session = await page.call("sip:fire-1@crossband.test");
    const leg = session.dialog?.remoteTag ?? "";
    await expect
      .poll(() => calls.media.log.filter((line) => line.includes(leg)))
      .toEqual([`PUT ${leg} none`, `PUT ${leg} answer`]);
    expect(calls.media.legs.get(leg)?.member).toMatchObject({ id: "alice", kind: "browser" });
    await session.bye();
    await expect.poll(() => calls.media.legs.size).toBe(0);
  });

  it("is called by a telephone: both sides meet in the media tier", async () => {
    const bob = await calls.phone("bob");
    await bob.register();
    const incoming = page.invitation();
    const ringing = bob.invite("alice");
    const invitation = await incoming;
    const there = established(invitation);
    await invitation.accept();
    await there;
    const call = await (await ringing).answered;
    const id = (call.dialog.remoteTag ?? "").replace(/\.0$/, "");
    expect(calls.media.legs.get(`${id}.1`)).toMatchObject({
      member: { id: "alice", kind: "browser" },
      group: { id: `call-${id}` },
    });
    await call.hangup();
    await expect.poll(() => invitation.state).toBe(SessionState.Terminated);
    await expect.poll(() => calls.media.legs.size).toBe(0);
  });

  it("loses its socket in a call, connects and registers again, and hears the hang-up over the new one", async () => {
    const bob = await calls.phone("bob");
    await bob.register();
    const incoming = page.invitation();
    const ringing = bob.invite("alice");
    const invitation = await incoming;
    const there = established(invitation);
    await invitation.accept();
    await there;
    const call = await (await ringing).answered;
    await page.userAgent.transport.disconnect();
    await page.userAgent.reconnect();
    await page.register();
    expect(invitation.state).toBe(SessionState.Established);
    await call.hangup();
    await expect.poll(() => invitation.state).toBe(SessionState.Terminated);
  });

  it("sends and gets text messages", async () => {
    const bob = await calls.phone("bob");
    await bob.register();
    const { Messager, UserAgent } = await import("sip.js");
    const to = UserAgent.makeURI("sip:bob@crossband.test");
    if (!to) throw new Error("not a SIP URI");
    await new Messager(page.userAgent, to, "hello").message();
    expect(await bob.nextMessage()).toMatchObject({ text: "hello" });
  });

  it("is not reached, and is forgotten, when its page is gone", async () => {
    const bob = await calls.phone("bob");
    await bob.register();
    await page.close();
    await expect(bob.call("alice")).rejects.toMatchObject({ status: 480 });
    await expect.poll(() => calls.redis.keys("*:bindings:alice")).toEqual([]);
  });
});
