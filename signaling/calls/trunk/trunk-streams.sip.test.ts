import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { selfSigned, type KeyPair } from "#common/certificate/self-signed.ts";
import { configSchema } from "#common/config.ts";
import { applyProvision, parseProvision, removeResource } from "#state/directory/directory.ts";
import { listDuties } from "#state/trunk/duties.ts";
import { loadOfTrunk } from "#state/trunk/slots.ts";
import { openStreamWire, type StreamWire } from "#signaling/calls/testing/carrier-wire.ts";
import { CARRIER_SDP, challenging, openCarrier, registered, type Answer, type Carrier } from "#signaling/calls/testing/carrier.ts"; // prettier-ignore
import { eventually } from "#signaling/calls/testing/eventually.ts";
import { startTestCalls, TEST_PROVISION, type TestCalls } from "#signaling/calls/testing/start-calls.ts";
import { a, startDnsServer } from "#signaling/edge/testing/dns-server.ts";
import type { Phone } from "#test/peers/sip-phone/phone.ts";

const NUMBER = "+15557770001";
const DID = "+15551240001";
const HOSTS = ["127.0.0.101", "127.0.0.102"] as const;
const account = { username: "acct", password: "secret" };
const accept: Answer = () => ({ status: 200, body: CARRIER_SDP });

const folder = mkdtempSync(join(tmpdir(), "crossband-trunk-"));
let calls: TestCalls;
let dns: Awaited<ReturnType<typeof startDnsServer>>;
let alice: Phone;
/** Proves carrier.example and its addresses. */
let identity: KeyPair;
/** Proves the name alone. */
let nameOnly: KeyPair;
/** Is trusted too, but proves another name. */
let another: KeyPair;

beforeAll(async () => {
  [identity, nameOnly, another] = await Promise.all([
    selfSigned("carrier.example", HOSTS, Date.now()),
    selfSigned("sip.carrier.example", [], Date.now()),
    selfSigned("another.example", [], Date.now()),
  ]);
  const authorities = join(folder, "authorities.pem");
  writeFileSync(authorities, [identity, nameOnly, another].map(({ certificate }) => certificate).join("\n"));
  dns = await startDnsServer([a("carrier.example", HOSTS[0]), a("sip.carrier.example", HOSTS[0])]);
  const { sip } = configSchema.parse({});
  calls = await startTestCalls({ tls: { ...sip.tls, authorities }, nameServers: [dns.server] });
  alice = await calls.phone("alice");
  await alice.register();
});
afterAll(async () => {
  await calls.close();
  dns.close();
  rmSync(folder, { recursive: true });
});

let wire: StreamWire;
let carrier: Carrier;
const open: Carrier[] = [];

async function openAt(host: string, pair?: KeyPair): Promise<[Carrier, StreamWire]> {
  const own = await openStreamWire(host, 0, pair);
  const peer = await openCarrier(host, own);
  peer.on("INVITE", accept);
  open.push(peer);
  return [peer, own];
}
afterEach(async () => {
  for (const call of alice.calls) await call.hangup().catch(() => undefined);
  await eventually(async () => {
    expect((await loadOfTrunk(calls.redis, "stream", Date.now())).calls).toBe(0);
  });
  await removeResource(calls.redis, "trunk", "stream");
  await eventually(async () => {
    expect([...(await listDuties(calls.redis)).values()].filter(({ trunk }) => trunk === "stream")).toEqual(
      [],
    );
  });
  for (const each of open.splice(0)) each.close();
});

/** Applies the trunk; resolves when its peers, or those named, have been asked for OPTIONS. */
async function apply(
  peers: readonly string[],
  { register = false, registerSeconds = 600, asked = open } = {},
): Promise<void> {
  const trunk = `{ id: stream, peers: [${peers.map((peer) => `"${peer}"`).join(", ")}], username: acct, password: secret, allow: [fire],
    register: ${register}, registerSeconds: ${registerSeconds}, optionsSeconds: 3600, firstResponseMs: 2000, outbound: [{ prefix: "+1" }], inbound: [{ did: "${DID}", to: alice }] }`;
  await applyProvision(
    calls.redis,
    parseProvision(TEST_PROVISION.replace(/trunks:.*/, `trunks: [${trunk}]`)),
  );
  for (const each of asked) await each.next("OPTIONS");
}
const dial = () => alice.call(`sip:${NUMBER}@crossband.test`);

describe.each(["tcp", "tls"] as const)("a trunk over %s", (transport) => {
  /** Where the carrier connects to. */
  const server = () => calls.roles[0]?.card().listeners[transport] ?? "";

  beforeEach(async () => {
    [carrier, wire] = await openAt(HOSTS[0], transport === "tls" ? identity : undefined);
  });

  it("registers with a contact of that transport, and again over a new connection when the old one is lost", async () => {
    carrier.on("REGISTER", challenging(account, registered(300)));
    await apply([carrier.peer], { register: true });
    const first = await carrier.next("REGISTER");
    expect(first.contacts[0]?.uriText).toContain(`;transport=${transport}`);
    const granted = await carrier.next("REGISTER");
    const connections = wire.accepted;
    wire.drop();
    await apply([carrier.peer], { register: true, registerSeconds: 900, asked: [] });
    const refreshed = await carrier.next("REGISTER");
    expect([refreshed.callId, refreshed.cseq.seq]).toEqual([first.callId, granted.cseq.seq + 1]);
    expect(wire.accepted).toBe(connections + 1);
  });

  it("carries calls out, whose next request goes over a new connection when the old one is lost", async () => {
    await apply([carrier.peer]);
    const call = await dial();
    const invite = await carrier.next("INVITE");
    expect(invite.header("via")).toContain(`SIP/2.0/${transport.toUpperCase()}`);
    await carrier.next("ACK");
    const connections = wire.accepted;
    wire.drop();
    await call.hold();
    expect((await carrier.next("INVITE")).body).toContain("a=sendonly");
    expect(wire.accepted).toBe(connections + 1);
    await call.hangup();
    await carrier.next("BYE");
  });

  it("sends what waited for an answer again when the connection closes under it", async () => {
    await apply([carrier.peer]);
    carrier.on("INVITE", () => undefined);
    const outgoing = await alice.invite(`sip:${NUMBER}@crossband.test`);
    const invite = await carrier.next("INVITE");
    const connections = wire.accepted;
    wire.drop();
    await eventually(() => {
      expect(wire.accepted).toBe(connections + 1);
    });
    // It comes by the new connection, with the branch that is known: it is answered there.
    await expect.poll(() => carrier.repeated).toBe(1);
    carrier.answer(invite, { status: 200, body: CARRIER_SDP });
    const call = await outgoing.answered;
    carrier.on("BYE", () => undefined);
    const hungUp = call.hangup();
    const bye = await carrier.next("BYE");
    wire.drop();
    await expect.poll(() => carrier.repeated).toBe(2);
    carrier.answer(bye, { status: 200 });
    await hungUp;
  });

  it("takes calls in, and answers over a new connection when theirs is lost", async () => {
    await apply([carrier.peer]);
    const parts = {
      uri: `sip:${DID}@crossband.test`, from: "<sip:+15557654321@carrier.example>;tag=in", to: `<sip:${DID}@carrier.example>`, callId: `in-${transport}-${Date.now()}`,
    }; // prettier-ignore
    const ringing = alice.incoming();
    const answered = carrier.request(server(), { ...parts, method: "INVITE", seq: 1, body: CARRIER_SDP });
    const incoming = await ringing;
    const connections = wire.accepted;
    wire.drop();
    const call = incoming.answer();
    const answer = await answered;
    expect([answer.status, wire.accepted]).toEqual([200, connections + 1]);
    const dialog = { ...parts, uri: answer.contacts[0]?.uriText ?? "", to: answer.header("to") ?? "" };
    expect(dialog.uri).toContain(`;transport=${transport}`);
    carrier.ack(server(), { ...dialog, method: "ACK", seq: 1 });
    await call.confirmed();
    wire.drop();
    await call.hangup();
    await carrier.next("BYE");
  });

  it("fails over to the next peer when one takes no connections", async () => {
    const [second] = await openAt(HOSTS[1], transport === "tls" ? identity : undefined);
    await apply([carrier.peer, second.peer]);
    await wire.refuse();
    const call = await dial();
    await second.next("INVITE");
    await call.hangup();
    await second.next("BYE");
  });
});

describe("a peer over TLS (RFC 5922)", () => {
  it("is called by name when its certificate proves the name, whatever address its Contact gives", async () => {
    [carrier, wire] = await openAt(HOSTS[0], nameOnly);
    await apply([`sip.carrier.example:${carrier.port};transport=tls`]);
    const call = await dial();
    const invite = await carrier.next("INVITE");
    expect(invite.uri).toContain("@sip.carrier.example:");
    await carrier.next("ACK");
    wire.drop();
    await call.hangup();
    await carrier.next("BYE");
  });

  it("that proves another name is not spoken to: the next one is", async () => {
    const [impostor, theirs] = await openAt(HOSTS[0], another);
    const [second] = await openAt(HOSTS[1], identity);
    await apply([`carrier.example:${impostor.port};transport=tls`, second.peer], { asked: [second] });
    const call = await dial();
    await second.next("INVITE");
    expect([impostor.got, theirs.accepted > 0]).toEqual([[], true]);
    await call.hangup();
    await second.next("BYE");
  });
});
