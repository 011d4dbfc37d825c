import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SDP } from "#signaling/edge/testing/udp-phone.ts";
import { dialogOfCallee, dialogOfCaller, openScriptedPhone } from "./testing/scripted-phone.ts";
import { startTestCalls, type TestCalls } from "./testing/start-calls.ts";

let calls: TestCalls;

beforeAll(async () => {
  calls = await startTestCalls({}, "::1");
});
afterAll(async () => {
  await calls.close();
});

describe("phones of IPv6 (RFC 3261 §19.1.1, RFC 5118)", () => {
  it.each([
    ["udp", "udp"],
    ["tcp", "tcp"],
    ["udp", "tcp"],
  ] as const)("one by %s calls one by %s: registered, answered, heard, hung up", async (mine, other) => {
    const alice = await calls.phone("alice", { host: "::1", transport: mine });
    const bob = await calls.phone("bob", { host: "::1", transport: other });
    await alice.register();
    await bob.register();
    const dialling = await alice.invite("bob");
    const incoming = await bob.incoming();
    const theirs = incoming.answer();
    const ours = await dialling.answered;
    await theirs.confirmed();
    await Promise.all([ours.sendTone(1_000, { ms: 100 }), theirs.sendTone(700, { ms: 100 })]);
    await Promise.all([ours.heard.atLeast(60), theirs.heard.atLeast(60)]);
    await theirs.hangup();
    expect(await ours.ended).toMatchObject({ by: "them" });
    await alice.unregister();
    await bob.unregister();
  });

  it("find our address in brackets in Via and Contact, and theirs in received and rport", async () => {
    const alice = await openScriptedPhone(calls.server, "alice", "alice-secret");
    const bob = await openScriptedPhone(calls.server, "bob", "bob-secret");
    expect(calls.server).toMatch(/^\[::1\]:\d+$/);
    alice.say({ method: "INVITE", seq: 1, to: "bob", body: SDP });
    const invite = await bob.next("INVITE");
    expect(invite.uri).toBe(`sip:bob@[::1]:${bob.port}`);
    expect(invite.header("via")).toMatch(`SIP/2.0/UDP ${calls.server};branch=`);
    expect(invite.contacts[0]?.uriText).toContain(calls.server);
    bob.answer(invite, 200, { body: SDP });
    const ok = await alice.next(200);
    expect(ok.topVia).toMatchObject({ host: "::1", port: alice.port, received: "::1", rport: alice.port });
    expect(ok.contacts[0]?.uriText).toBe(`sip:${calls.server}`);
    alice.say({ method: "ACK", seq: 1, branch: `${alice.name}ack` }, dialogOfCaller(ok));
    await bob.next("ACK");
    alice.say({ method: "BYE", seq: 2 }, dialogOfCaller(ok));
    bob.answer(await bob.next("BYE"), 200);
    await alice.next(({ status, cseq }) => status === 200 && cseq.method === "BYE");
    await Promise.all([alice.leave(), bob.leave()]);
  });

  it("are answered where their requests came from, whatever address their Via names (RFC 3581 §4)", async () => {
    const phone = await openScriptedPhone(calls.server, "alice", "alice-secret");
    const port = Number(calls.server.split(":").at(-1));
    const options = phone
      .request({ method: "OPTIONS", seq: 1, branch: `${phone.name}o` })
      .replace(/UDP 127\.0\.0\.1:\d+/, "UDP [2001:db8::9]:5060");
    phone.send(port, options);
    const { topVia } = await phone.next(({ cseq }) => cseq.method === "OPTIONS");
    expect(topVia).toMatchObject({ host: "2001:db8::9", port: 5060, received: "::1", rport: phone.port });
    await phone.leave();
  });

  it("are reached through the proxy that recorded its route (RFC 3261 §12.2.1.1)", async () => {
    const [alice, proxy] = [
      await openScriptedPhone(calls.server, "alice", "alice-secret"),
      await openScriptedPhone(calls.server, "carol", "carol-secret"),
    ];
    const bob = await openScriptedPhone(calls.server, "bob", "bob-secret");
    const route = `<sip:[::1]:${proxy.port};lr>`;
    alice.say({ method: "INVITE", seq: 1, to: "bob", headers: `Record-Route: ${route}\r\n`, body: SDP });
    const invite = await bob.next("INVITE");
    bob.answer(invite, 200, { body: SDP });
    const ok = await alice.next(200);
    expect(ok.header("record-route")).toBe(route);
    alice.say({ method: "ACK", seq: 1, branch: `${alice.name}ack` }, dialogOfCaller(ok));
    await bob.next("ACK");
    bob.say({ method: "BYE", seq: 1 }, dialogOfCallee(invite, bob.name));
    const bye = await proxy.next("BYE");
    expect([bye.uri, bye.header("route")]).toEqual([`sip:alice@[::1]:${alice.port}`, route]);
    proxy.answer(bye, 200);
    await Promise.all([alice.leave(), bob.leave(), proxy.leave()]);
  });
});

describe("a server that listens on every address", () => {
  it("answers phones of both families over one socket", async () => {
    const both = await startTestCalls({}, "::");
    const port = both.server.split(":").at(-1) ?? "";
    for (const [host, server] of [
      ["127.0.0.1", `127.0.0.1:${port}`],
      ["::1", `[::1]:${port}`],
    ] as const)
      for (const transport of ["udp", "tcp"] as const) {
        const phone = await both.phone("alice", { host, server, transport });
        expect(await phone.register()).toBeGreaterThan(0);
        await phone.unregister();
      }
    await both.close();
  });
});
