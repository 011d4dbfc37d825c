import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createHash } from "node:crypto";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import { listDuties } from "#state/trunk/duties.ts";
import { loadOfTrunk } from "#state/trunk/slots.ts";
import {
  CARRIER_SDP,
  openCarrier,
  type Carrier,
  type CarrierRequest,
} from "#signaling/calls/testing/carrier.ts";
import { eventually } from "#signaling/calls/testing/eventually.ts";
import { startTestCalls, TEST_PROVISION, type TestCalls } from "#signaling/calls/testing/start-calls.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";

let calls: TestCalls;
let carrier: Carrier;
let stranger: Carrier;
let made = 0;

beforeAll(async () => {
  calls = await startTestCalls();
  carrier = await openCarrier("127.0.0.41");
  stranger = await openCarrier("127.0.0.42");
});
afterAll(async () => {
  carrier.close();
  stranger.close();
  await calls.close();
});

/** Applies the trunk `in` with what a test wants of it besides; resolves when it is in force: its last peer is looked after. */
async function apply(more = ""): Promise<void> {
  const mark = `127.0.0.43:${20_000 + ++made}`;
  const trunk = `{ id: in, peers: ["${carrier.peer}", "${mark}"], register: false, username: gw, password: gw-secret, optionsSeconds: 3600, countryCode: "1", nationalPrefix: "1", internationalPrefix: "011",
    inbound: [{ did: "+15551230001", to: fire-1 }, { prefix: "+1555124", to: bob }, { from: "+15551250010", until: "+15551250019", to: alice }]${more} }`;
  await applyProvision(
    calls.redis,
    parseProvision(TEST_PROVISION.replace(/trunks:.*/, `trunks: [${trunk}]`)),
  );
  await eventually(async () => {
    expect([...(await listDuties(calls.redis)).values()].map(({ peer }) => peer)).toContain(mark);
  });
}

const invite = (number: string, more: Partial<CarrierRequest> = {}): CarrierRequest => ({
  method: "INVITE",
  uri: number.includes(":") ? number : `sip:${number}@${calls.server}`,
  from: `"Pat Caller" <sip:+15557654321@carrier.example>;tag=f${++made}`,
  to: "<sip:desk@carrier.example>",
  callId: `in-${made}@carrier`,
  seq: 1,
  body: CARRIER_SDP,
  ...more,
});
/** Acknowledges and hangs up. */
async function hangUp(by: Carrier, parts: CarrierRequest, answer: SipMessage): Promise<void> {
  const { body: _body, ...rest } = parts;
  const inDialog = { ...rest, uri: answer.contacts[0]?.uriText ?? "", to: answer.header("to") ?? "" };
  by.ack(calls.server, inDialog);
  expect((await by.request(calls.server, { ...inDialog, method: "BYE", seq: 9 })).status).toBe(200);
}

describe("calls from a trunk's peer", () => {
  beforeEach(() => apply());
  afterEach(async () => {
    await eventually(async () => {
      expect((await loadOfTrunk(calls.redis, "in", Date.now())).calls).toBe(0);
    });
  });

  it("reach the group of their number without a password", async () => {
    const parts = invite("+15551230001");
    const answer = await carrier.request(calls.server, parts);
    expect(answer.status).toBe(200);
    const [leg] = [...calls.media.legs.values()].filter(({ member }) => member.id === "+15557654321");
    expect(leg?.member).toMatchObject({ name: "Pat Caller", kind: "phone" });
    expect(leg?.group).toMatchObject({ id: "fire-1", phonePtt: "dtmf" });
    expect((await loadOfTrunk(calls.redis, "in", Date.now())).calls).toBe(1);
    await hangUp(carrier, parts, answer);
    const details = await calls.details(1);
    expect(details.at(-1)).toMatchObject({ kind: "group", from: "+15557654321", to: "fire-1", trunk: "in" });
  });

  it.each([
    ["tel:+1-555-123-0001", 200],
    ["sip:15551230001@crossband.test;user=phone", 200],
    ["sip:5551230001@crossband.test", 200],
    ["sip:01115551230001@crossband.test", 200],
    ["+15559999999", 404],
    ["sip:fire-1@crossband.test", 404],
    ["sip:911@crossband.test", 404],
  ])("to %s are answered %i", async (uri, status) => {
    const parts = invite(uri);
    const answer = await carrier.request(calls.server, parts);
    expect(answer.status).toBe(status);
    if (status === 200) await hangUp(carrier, parts, answer);
  });

  it("reach the user of a prefix and of a range, who sees who calls", async () => {
    const bob = await calls.phone("bob");
    await bob.register();
    const alice = await calls.phone("alice");
    await alice.register();
    for (const [phone, number] of [
      [bob, "+15551240077"],
      [alice, "+15551250015"],
    ] as const) {
      const parts = invite(number);
      const ringing = phone.incoming();
      const answered = carrier.request(calls.server, parts);
      const incoming = await ringing;
      expect(incoming.from).toContain('"Pat Caller" <sip:+15557654321@crossband.test>');
      incoming.answer();
      const answer = await answered;
      expect(answer.status).toBe(200);
      await hangUp(carrier, parts, answer);
    }
  });

  it("show whom the peer asserts, and nobody when the caller wants to be hidden", async () => {
    const asserted = [
      ["P-Asserted-Identity", '"Real Name" <sip:+15550001111@carrier.example>, <tel:+15550001111>'],
    ] as const;
    const first = invite("+15551230001", { headers: asserted });
    const one = await carrier.request(calls.server, first);
    expect([...calls.media.legs.values()].map(({ member }) => member)).toMatchObject([
      { id: "+15550001111", name: "Real Name" },
    ]);
    await hangUp(carrier, first, one);
    const hidden = invite("+15551230001", { headers: [...asserted, ["Privacy", "id;critical"]] });
    const two = await carrier.request(calls.server, hidden);
    expect([...calls.media.legs.values()].map(({ member }) => member)).toMatchObject([
      { id: "anonymous", name: "Anonymous" },
    ]);
    await hangUp(carrier, hidden, two);
  });

  it("go on whatever else it sends, which bans a stranger: it is counted", async () => {
    const garbage = (by: Carrier, host: string) => {
      for (let i = 0; i < 150; i++)
        by.send(calls.server, `INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP ${host};branch=${i}\r\n\r\n`);
    };
    const vandal = await openCarrier("127.0.0.44");
    garbage(vandal, "127.0.0.44");
    garbage(carrier, "127.0.0.41");
    const parts = invite("+15551230001", { headers: [["User-Agent", "friendly-scanner"]] });
    const answer = await carrier.request(calls.server, parts);
    expect(answer.status).toBe(200);
    await hangUp(carrier, parts, answer);
    await eventually(async () => {
      const metrics = (await calls.roles[0]?.metrics()) ?? "";
      expect(metrics).toContain('crossband_trunk_offences_total{trunk="in",what="malformed"} 150');
      expect(metrics).toMatch(/crossband_trunk_offences_total\{trunk="in",what="scanner"\} [1-9]/);
      expect(metrics).toContain("crossband_sip_bans 1");
    });
    vandal.close();
  });

  it("carry no texts", async () => {
    const { body: _body, ...text } = invite("+15551230001", { method: "MESSAGE" });
    expect((await carrier.request(calls.server, text)).status).toBe(403);
  });
});

describe("calls from elsewhere", () => {
  beforeEach(() => apply());

  it("are asked for a password whatever they assert", async () => {
    const parts = invite("+15551230001", {
      headers: [["P-Asserted-Identity", "<sip:alice@crossband.test>"]],
    });
    expect((await stranger.request(calls.server, parts)).status).toBe(407);
  });

  it("are the trunk's when they prove its account", async () => {
    const parts = invite("+15551230001");
    const refused = await stranger.request(calls.server, parts);
    const challenge = refused.header("proxy-authenticate") ?? "";
    const nonce = /nonce="([^"]*)"/.exec(challenge)?.[1] ?? "";
    const md5 = (text: string) => createHash("md5").update(text).digest("hex");
    const response = md5(
      `${md5("gw:crossband.test:gw-secret")}:${nonce}:00000001:c:auth:${md5(`INVITE:${parts.uri}`)}`,
    );
    const header = `Digest username="gw", realm="crossband.test", nonce="${nonce}", uri="${parts.uri}", response="${response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="c"`;
    const again = { ...parts, seq: 2, headers: [["Proxy-Authorization", header]] as const };
    const answer = await stranger.request(calls.server, again);
    expect(answer.status).toBe(200);
    await hangUp(stranger, again, answer);
  });

  it("are known by a network among the trunk's hosts", async () => {
    await apply(', hosts: ["127.0.0.42/32"]');
    const parts = invite("+15551230001");
    const answer = await stranger.request(calls.server, parts);
    expect(answer.status).toBe(200);
    await hangUp(stranger, parts, answer);
  });
});

describe("limits of a trunk", () => {
  it.each([503, 486])(
    "refuse the call that is one too many with %i and a reason, and admit again after it",
    async (status) => {
      await apply(`, maxCalls: 1, whenFull: ${status}`);
      const first = invite("+15551230001");
      const answer = await carrier.request(calls.server, first);
      expect(answer.status).toBe(200);
      const refused = await carrier.request(calls.server, invite("+15551230001"));
      expect([refused.status, refused.header("reason")]).toEqual([
        status,
        `SIP;cause=${status};text="the trunk has no room"`,
      ]);
      await hangUp(carrier, first, answer);
      await eventually(async () => {
        const next = invite("+15551230001");
        const again = await carrier.request(calls.server, next);
        expect(again.status).toBe(200);
        await hangUp(carrier, next, again);
      });
    },
  );

  it("bound how many begin in a second", async () => {
    await apply(", maxCallsPerSecond: 2");
    // The second before this test is over for the trunk.
    for (const key of await calls.redis.keys("*:trunk-starts:in")) await calls.redis.del(key);
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) {
      const parts = invite("+15551230001");
      const answer = await carrier.request(calls.server, parts);
      statuses.push(answer.status);
      if (answer.status === 200) await hangUp(carrier, parts, answer);
    }
    expect(statuses).toEqual([200, 200, 503]);
  });
});
