import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GroupSnapshot } from "#common/media-control.ts";
import { silent } from "#common/log.ts";
import { openChangeNotes, type ChangeNotes } from "#state/subscription/change-notes.ts";
import { groupSnapshotKey } from "#state/talk-group/talk-group.keys.ts";
import { useTestCalls } from "#signaling/calls/testing/use-calls.ts";
import type { Phone } from "#test/peers/sip-phone/phone.ts";
import { valueOf } from "#test/peers/sip-phone/sip-text.ts";
import { watch, type Watch } from "#test/peers/sip-phone/watch.ts";

const calls = useTestCalls({ ringSeconds: 5, subscriptionMinSeconds: 1 });
const { registered } = calls;
let notes: ChangeNotes;

beforeAll(() => {
  notes = openChangeNotes(calls.redis, silent);
});
afterAll(() => {
  notes.close();
});

/** A subscription whose first NOTIFY has come. */
async function watching(phone: Phone, target: string, event: string, expires = 60): Promise<Watch> {
  const made = await watch(phone, target, event, { expires });
  expect(made.status).toBe(200);
  await made.next();
  return made;
}
const isEmpty = async (pattern: string) => (await calls.redis.keys(pattern)).length === 0;

const member = (id: string) => ({ id, name: id.toUpperCase(), kind: "phone" as const, priority: 5 });
/** What the media tier does when somebody joins, leaves or talks. */
async function mirror(group: string, ids: readonly string[], talker?: string): Promise<void> {
  const snapshot: GroupSnapshot = {
    group,
    floor: talker === undefined ? { state: "idle", seq: 1 } : { state: "taken", seq: 2, leg: `leg-${talker}`, holder: member(talker), sinceMs: 1 },
    participants: ids.map((id) => ({ ...member(id), leg: `leg-${id}`, camera: false })),
    talking: [],
  }; // prettier-ignore
  await calls.redis.set(groupSnapshotKey(group), JSON.stringify(snapshot));
  await expect.poll(() => notes.watches(`conference:${group}`), { timeout: 3_000 }).toBe(true);
  notes.note(`conference:${group}`);
}

describe("a subscription (RFC 6665)", () => {
  it("is granted, told at once, refreshed in its dialog, and ended with a last NOTIFY", async () => {
    const alice = await registered("alice");
    const first = await watch(alice, "bob", "presence");
    expect(first.status).toBe(200);
    expect(valueOf(first.response, "expires")).toBe("60");
    const initial = await first.next();
    expect(initial.state).toMatch(/^active;expires=(59|60)$/);
    expect(valueOf(initial.request, "event")).toBe("presence");
    expect((await first.refresh(30)).status).toBe(200);
    const second = await first.next();
    expect(second.state).toMatch(/^active;expires=(29|30)$/);
    expect(second.sequence).toBe(initial.sequence + 1);
    expect((await first.refresh(0)).status).toBe(200);
    expect((await first.next()).state).toBe("terminated;reason=timeout");
    expect((await first.refresh(60)).status).toBe(481);
    await expect.poll(() => isEmpty("*:subscriptions:presence:bob")).toBe(true);
  });

  it("answers a question: one NOTIFY with the state, which is the last", async () => {
    const alice = await registered("alice");
    const asked = await watch(alice, "bob", "presence", { expires: 0 });
    const notice = await asked.next();
    expect(notice.state).toBe("terminated;reason=timeout");
    expect(notice.body).toContain("<basic>");
  });

  it("ends by itself when it is not refreshed, and leaves nothing behind", async () => {
    const alice = await registered("alice");
    const made = await watching(alice, "bob", "reg", 1);
    expect((await made.next()).state).toBe("terminated;reason=timeout");
    await expect.poll(() => isEmpty("*:subscriptions:reg:bob")).toBe(true);
  });

  it.each([
    ["an event package that is not there", "bob", "winter", {}, 489],
    ["no more than a moment", "bob", "presence", { expires: 1 }, 200],
    [
      "a kind of document that is not made",
      "bob",
      "presence",
      { headers: [["Accept", "application/x-nothing"]] },
      406,
    ],
    ["somebody of another agency", "carol", "presence", {}, 403],
    ["a group that is not one's own", "command", "conference", {}, 200],
    ["somebody who is not there", "nobody", "presence", {}, 404],
    ["the presence of a group", "fire-1", "presence", {}, 404],
  ] as const)("for %s is answered", async (_title, target, event, options, status) => {
    const alice = await registered("alice");
    expect((await watch(alice, target, event, options)).status).toBe(status);
  });

  it("names the packages that there are when it refuses one", async () => {
    const alice = await registered("alice");
    const refused = await watch(alice, "bob", "winter");
    expect(valueOf(refused.response, "allow-events")).toBe("conference, dialog, presence, reg");
  });

  it("is refused to who may not join the group, and to a stranger without password", async () => {
    const bob = await registered("bob");
    expect((await watch(bob, "command", "conference")).status).toBe(403);
    const stranger = await calls.phone("bob", { password: "wrong" });
    expect((await watch(stranger, "fire-1", "conference")).status).toBe(407);
  });

  it("ends when the phone says 481 to a NOTIFY", async () => {
    const alice = await registered("alice");
    const made = await watching(alice, "fire-1", "conference");
    made.answer = 481;
    await mirror("fire-1", ["bob"]);
    await made.next();
    await expect.poll(() => isEmpty("*:subscriptions:conference:fire-1")).toBe(true);
    expect((await made.refresh(60)).status).toBe(481);
    await calls.redis.del(groupSnapshotKey("fire-1"));
  });

  it("brings back the id that its Event header has, and is told apart by it", async () => {
    const alice = await registered("alice");
    const made = await watch(alice, "bob", "presence;id=7");
    expect(valueOf((await made.next()).request, "event")).toBe("presence;id=7");
    expect((await made.refresh(60, "presence;id=8")).status).toBe(481);
    expect((await made.refresh(60, "reg")).status).toBe(481);
    expect((await made.refresh(60, "winter")).status).toBe(489);
  });
});

describe("the conference package (RFC 4575)", () => {
  it("tells who is in a talk group and who talks, whole each time, with growing versions", async () => {
    const alice = await registered("alice");
    const made = await watching(alice, "fire-1", "conference");
    expect(made.body).toContain("<user-count>0</user-count><active>false</active>");
    await mirror("fire-1", ["bob", "dan"]);
    await made.next();
    expect(made.body).toContain('entity="sip:bob@crossband.test"');
    expect(made.body).toContain("<user-count>2</user-count>");
    expect(made.body).not.toContain("talking>true");
    await mirror("fire-1", ["bob", "dan"], "dan");
    await made.next();
    expect(/entity="leg-dan"[\s\S]*?<floor:talking>(\w+)</.exec(made.body)?.[1]).toBe("true");
    expect(made.notices.map(({ body }) => /version="(\d+)"/.exec(body)?.[1])).toEqual(["0", "1", "2"]);
  });

  it("tells at most once a second, and then how it stands", async () => {
    const alice = await registered("alice");
    const made = await watching(alice, "fire-1", "conference");
    for (let i = 1; i <= 20; i++) {
      await mirror(
        "fire-1",
        Array.from({ length: i }, (_, n) => `user-${n}`),
      );
      await new Promise((resolve) => setImmediate(resolve));
    }
    await expect.poll(() => made.body, { timeout: 4_000 }).toContain("<user-count>20</user-count>");
    expect(made.notices.length).toBeLessThanOrEqual(4);
  });
});

describe("the dialog package (RFC 4235)", () => {
  const states = ({ body }: { body: string }) =>
    [...body.matchAll(/<state>(\w+)</g)].map(([, state]) => state);

  it("tells how a call between users begins, is answered and ends", async () => {
    const [alice, bob, second] = [
      await registered("alice"),
      await registered("bob"),
      await registered("alice"),
    ];
    const made = await watching(alice, "bob", "dialog");
    expect(states(made)).toEqual([]);
    await expect.poll(() => calls.redis.exists("{0}:watched")).toBe(1);
    const invite = await second.invite("bob");
    const incoming = await bob.incoming();
    await invite.ringing();
    await made.next();
    await expect.poll(() => states(made), { timeout: 4_000 }).toEqual(["early"]);
    expect(made.body).toContain('direction="recipient"');
    expect(made.body).toContain("sip:alice@crossband.test</identity></remote>");
    const theirs = incoming.answer();
    await invite.answered;
    await expect.poll(() => states(made), { timeout: 4_000 }).toEqual(["confirmed"]);
    await theirs.hangup();
    await expect.poll(() => states(made), { timeout: 4_000 }).toEqual([]);
    await expect.poll(() => isEmpty("*:user-calls:bob")).toBe(true);
  });

  it("knows a call that stood before anybody watched", async () => {
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    const call = await bob.call("fire-1");
    const made = await watching(alice, "bob", "dialog");
    await expect.poll(() => states(made), { timeout: 5_000 }).toEqual(["confirmed"]);
    expect(made.body).toContain("sip:fire-1@crossband.test");
    await call.hangup();
    await expect.poll(() => states(made), { timeout: 5_000 }).toEqual([]);
  });
});

describe("the registration package (RFC 3680)", () => {
  it("tells contacts that come, go, and end by themselves", async () => {
    const alice = await registered("alice");
    const bob = await calls.phone("bob");
    const made = await watching(alice, "bob", "reg");
    expect(made.body).toContain('state="init"');
    await expect.poll(() => notes.watches("reg:bob"), { timeout: 3_000 }).toBe(true);
    await bob.register();
    await made.next();
    expect(made.body).toContain(`<uri>${bob.contact.slice(1, -1)}</uri>`);
    await bob.unregister();
    await made.next();
    expect(made.body).toContain('state="init"');
  });
});

describe("presence (RFC 3856, RFC 3903)", () => {
  const pidf = (basic: string, note = "") =>
    `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:bob@crossband.test"><tuple id="a"><status><basic>${basic}</basic></status><note>${note}</note></tuple></presence>`;
  const publish = (phone: Phone, body: string, headers: [string, string][] = []) =>
    phone.outside("PUBLISH", phone.options.user, [["Event", "presence"], ["Expires", "60"], ...(body === "" ? [] : [["Content-Type", "application/pidf+xml"] as const]), ...headers], body); // prettier-ignore

  it("tells what a device publishes, replaces and takes back", async () => {
    const [alice, bob] = [await registered("alice"), await registered("bob")];
    const made = await watching(alice, "bob", "presence");
    await expect.poll(() => notes.watches("presence:bob"), { timeout: 3_000 }).toBe(true);
    const first = await publish(bob, pidf("open", "at the &lt;scene&gt;"));
    expect(first.status).toBe(200);
    const tag = valueOf(first, "sip-etag") ?? "";
    await made.next();
    expect(made.body).toContain("<note>at the &#60;scene&#62;</note>");
    const second = await publish(bob, pidf("closed", "off"), [["SIP-If-Match", tag]]);
    expect(second.status).toBe(200);
    await made.next();
    expect(made.body).toContain("<note>off</note>");
    expect((await publish(bob, "", [["SIP-If-Match", tag]])).status).toBe(412);
    const last = await bob.outside("PUBLISH", "bob", [["Event", "presence"], ["Expires", "0"], ["SIP-If-Match", valueOf(second, "sip-etag") ?? ""]]); // prettier-ignore
    expect(last.status).toBe(200);
    await made.next();
    expect(made.body).not.toContain("published");
  });

  it("is published for oneself alone, as PIDF that says something", async () => {
    const bob = await registered("bob");
    const to = (target: string, body: string, headers: [string, string][]) => bob.outside("PUBLISH", target, headers, body); // prettier-ignore
    const type: [string, string] = ["Content-Type", "application/pidf+xml"];
    expect((await to("alice", pidf("open"), [["Event", "presence"], type])).status).toBe(403);
    expect((await to("bob", pidf("open"), [["Event", "dialog"], type])).status).toBe(489);
    expect(
      (
        await to("bob", "open", [
          ["Event", "presence"],
          ["Content-Type", "text/plain"],
        ])
      ).status,
    ).toBe(415);
    expect((await to("bob", "<presence/>", [["Event", "presence"], type])).status).toBe(400);
    expect((await to("bob", "", [["Event", "presence"]])).status).toBe(400);
  });
});

describe("OPTIONS (RFC 3261 §11.2)", () => {
  it("names the packages and methods that there are", async () => {
    const alice = await registered("alice");
    const response = await alice.askOptions();
    expect(valueOf(response, "allow-events")).toBe("conference, dialog, presence, reg");
    expect(response.headers.find(([name]) => name === "Allow")?.[1]).toContain("SUBSCRIBE, PUBLISH");
  });
});
