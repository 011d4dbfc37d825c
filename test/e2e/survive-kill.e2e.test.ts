import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startCrossband, type RunningCrossband } from "#test/peers/crossband/start-crossband.ts";
import { createPhone, type Phone } from "#test/peers/sip-phone/phone.ts";
import { freeRadioChannel, passwordOf, testProvision } from "./groups.ts";

let crossband: RunningCrossband;
let redis: Redis;
let phone: Phone;

beforeAll(async () => {
  crossband = await startCrossband({
    provision: testProvision(await freeRadioChannel()),
  });
  redis = new Redis(crossband.ready.redis);
  phone = await createPhone({
    server: crossband.ready.sip.udp,
    domain: crossband.ready.domain,
    user: "alice",
    password: passwordOf("alice"),
  });
  await phone.register();
});
afterAll(async () => {
  phone.close();
  redis.disconnect();
  await crossband.end();
});

const signaling = () => crossband.reread().processes.filter(({ role }) => role === "signaling");

/** Every call detail record of the system so far. */
async function detailRecords(): Promise<Record<string, string>[]> {
  const streams = await redis.keys("*:cdr");
  const entries = await Promise.all(streams.map((stream) => redis.xrange(stream, "-", "+")));
  return entries.flat().map(([, [, json]]) => JSON.parse(json ?? "{}") as Record<string, string>);
}

describe("a signaling process killed with -9 during an established call", () => {
  it.each([0, 1])(
    "leaves the call to the other one: BYE is answered 200 and the call record ends once (process %i dies)",
    async (victim) => {
      const before = (await detailRecords()).length;
      const call = await phone.call("command");
      const killed = signaling()[victim];
      if (!killed) throw new Error("two signaling processes must run");
      process.kill(killed.pid, "SIGKILL");
      const bye = await call.hangup(4_000);
      expect(bye.status).toBe(200);
      await expect.poll(async () => (await detailRecords()).length - before, { timeout: 5_000 }).toBe(1);
      const renewed = await crossband.until(
        ({ processes }) =>
          processes.filter(({ role }) => role === "signaling").length === 2 &&
          !processes.some(({ pid }) => pid === killed.pid),
      );
      expect(renewed.processes.map(({ instance }) => instance)).not.toContain(killed.instance);
      // Nobody who adopts the call afterwards may end it a second time.
      expect((await detailRecords()).length - before).toBe(1);
    },
  );

  it("keeps registrations: the phone calls again without registering", async () => {
    const call = await phone.call("command");
    expect((await call.hangup()).status).toBe(200);
  });
});
