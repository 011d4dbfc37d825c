import { afterEach, beforeAll, afterAll, describe, expect, it } from "vitest";
import { applyProvision, parseProvision, removeResource } from "#state/directory/directory.ts";
import { peerStatuses } from "#state/trunk/peer-status.ts";
import { listDuties } from "#state/trunk/duties.ts";
import { challenging, openCarrier, registered, type Carrier } from "#signaling/calls/testing/carrier.ts";
import { startTestCalls, type TestCalls } from "#signaling/calls/testing/start-calls.ts";
import { eventually } from "#signaling/calls/testing/eventually.ts";

let calls: TestCalls;
const carriers: Carrier[] = [];
let made = 0;
const account = { username: "acct-1", password: "pass-1" };

beforeAll(async () => {
  calls = await startTestCalls();
});
afterEach(async () => {
  await removeResource(calls.redis, "trunk", `t${made}`);
  await eventually(async () => {
    expect([...(await listDuties(calls.redis)).values()].filter(({ trunk }) => trunk === `t${made}`)).toEqual(
      [],
    );
  });
  for (const carrier of carriers.splice(0)) carrier.close();
});
afterAll(() => calls.close());

async function carrier(): Promise<Carrier> {
  const opened = await openCarrier(`127.0.0.${20 + carriers.length}`);
  carriers.push(opened);
  return opened;
}
/** Applies a trunk of the given peers. */
async function apply(peers: readonly Carrier[], more = ""): Promise<string> {
  const id = `t${made}`;
  const list = peers.map(({ peer }) => `"${peer}"`).join(", ");
  await applyProvision(
    calls.redis,
    parseProvision(
      `domain: crossband.test\ntrunks: [{ id: ${id}, peers: [${list}], username: acct-1, password: pass-1, optionsSeconds: 0${more} }]`,
    ),
  );
  return id;
}
const newTrunk = (peers: readonly Carrier[], more = "") => {
  made++;
  return apply(peers, more);
};
const registrationOf = async (id: string, { peer }: Carrier) =>
  (await peerStatuses(calls.redis, id)).get(peer)?.registration;

describe("registration of a trunk (RFC 3261 §10.2)", () => {
  it.each(["MD5", "SHA-256"] as const)(
    "answers the challenge with %s under the same Call-ID and the next CSeq",
    async (algorithm) => {
      const one = await carrier();
      one.on("REGISTER", challenging(account, registered(300), { algorithm }));
      const id = await newTrunk([one]);
      const first = await one.next("REGISTER");
      const second = await one.next("REGISTER");
      expect(second.callId).toBe(first.callId);
      expect(second.cseq.seq).toBe(first.cseq.seq + 1);
      expect(second.header("expires")).toBe("600");
      expect(second.contacts[0]?.uri.user).toMatch(/^t[0-9a-f]{20}$/);
      await eventually(async () => {
        expect(await registrationOf(id, one)).toMatchObject({ state: "registered" });
      });
      const untilMs = (await registrationOf(id, one))?.untilMs ?? 0;
      expect(untilMs - Date.now()).toBeGreaterThan(290_000);
    },
  );

  it("asks for as long as the registrar wants at least (423)", async () => {
    const one = await carrier();
    one.on("REGISTER", (request) =>
      Number(request.header("expires")) < 900
        ? { status: 423, headers: [["Min-Expires", "900"]] }
        : registered(900)(request),
    );
    const id = await newTrunk([one]);
    await one.next("REGISTER");
    expect((await one.next("REGISTER")).header("expires")).toBe("900");
    await eventually(async () => {
      expect(await registrationOf(id, one)).toMatchObject({ state: "registered" });
    });
  });

  it("refreshes before the time is over, with credentials at once", async () => {
    const one = await carrier();
    one.on("REGISTER", challenging(account, registered(2)));
    await newTrunk([one]);
    const [, granted, refresh] = [
      await one.next("REGISTER"),
      await one.next("REGISTER"),
      await one.next("REGISTER"),
    ];
    expect(refresh.cseq.seq).toBe(granted.cseq.seq + 1);
    expect(refresh.header("authorization")).toMatch(/nc=00000002/);
  });

  it("registers with each of its peers", async () => {
    const [one, two] = [await carrier(), await carrier()];
    for (const each of [one, two]) each.on("REGISTER", registered(300));
    await newTrunk([one, two]);
    expect((await one.next("REGISTER")).callId).not.toBe((await two.next("REGISTER")).callId);
  });

  it("gives up a wrong password after two tries and says so", async () => {
    const one = await carrier();
    one.on("REGISTER", challenging({ ...account, password: "another" }, registered(300)));
    const id = await newTrunk([one]);
    await eventually(async () => {
      expect(await registrationOf(id, one)).toMatchObject({ state: "failed", status: 401 });
    });
    expect(one.got.length).toBeLessThanOrEqual(2);
    const nextMs = (await registrationOf(id, one))?.nextMs ?? 0;
    expect(nextMs - Date.now()).toBeGreaterThan(30_000);
  });

  it("comes back as late as a 503 asks", async () => {
    const one = await carrier();
    one.on("REGISTER", () => ({ status: 503, headers: [["Retry-After", "120"]] }));
    const id = await newTrunk([one]);
    await eventually(async () => {
      expect(await registrationOf(id, one)).toMatchObject({ state: "failed", status: 503 });
    });
    expect(((await registrationOf(id, one))?.nextMs ?? 0) - Date.now()).toBeGreaterThan(115_000);
  });

  it("takes its contact back when the trunk is removed", async () => {
    const one = await carrier();
    one.on(
      "REGISTER",
      challenging(account, (request) => registered(Number(request.header("expires")))(request)),
    );
    const id = await newTrunk([one]);
    await one.next("REGISTER");
    const last = await one.next("REGISTER");
    await eventually(async () => {
      expect(await registrationOf(id, one)).toMatchObject({ state: "registered" });
    });
    await removeResource(calls.redis, "trunk", id);
    const gone = await one.next("REGISTER");
    expect(gone.header("expires")).toBe("0");
    expect([gone.callId, gone.cseq.seq]).toEqual([last.callId, last.cseq.seq + 1]);
    await eventually(async () => {
      expect(await registrationOf(id, one)).toBeUndefined();
    });
  });

  it("leaves the old peer and the disabled trunk when provisioning changes", async () => {
    const [old, next] = [await carrier(), await carrier()];
    for (const each of [old, next])
      each.on("REGISTER", (request) => registered(Number(request.header("expires")))(request));
    await newTrunk([old]);
    await old.next("REGISTER");
    await apply([next]);
    expect((await next.next("REGISTER")).header("expires")).toBe("600");
    expect((await old.next("REGISTER")).header("expires")).toBe("0");
    await apply([next], ", enabled: false");
    expect((await next.next("REGISTER")).header("expires")).toBe("0");
  });

  it("registers anew when only the password has changed, under the same Call-ID", async () => {
    const one = await carrier();
    one.on("REGISTER", registered(300));
    await newTrunk([one]);
    const first = await one.next("REGISTER");
    await applyProvision(
      calls.redis,
      parseProvision(
        `domain: crossband.test\ntrunks: [{ id: t${made}, peers: ["${one.peer}"], username: acct-1, password: pass-2, optionsSeconds: 0 }]`,
      ),
    );
    const second = await one.next("REGISTER");
    expect([second.callId, second.header("expires")]).toEqual([first.callId, "600"]);
  });
});
