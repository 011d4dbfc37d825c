import { afterEach, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { loudestDb } from "#test/peers/audio/measures.ts";
import { RATE } from "#test/peers/audio/sources.ts";
import { freeUdpRange } from "#test/setup/free-ports.ts";
import { UsrpRadio } from "#test/peers/usrp-radio/usrp-radio.ts";
import { startDemoRadio } from "./demo-radio.ts";

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

/** A demo radio, and in the bridge's place a radio of the tests. */
async function open(firstCallMs: number) {
  const listen = `127.0.0.1:${await freeUdpRange(2)}`;
  const bridge = await UsrpRadio.open({ remote: listen });
  const demo = await startDemoRadio({ listen, remote: `127.0.0.1:${bridge.port}`, log: silent, firstCallMs });
  opened.push(demo, bridge);
  return { bridge };
}

it("is heard with a phrase by itself, and unkeys after it", async () => {
  const { bridge } = await open(10);
  await bridge.until("keyed");
  await bridge.until("unkeyed", 6_000);
  expect(bridge.received.audio).toBeGreaterThan(100);
  expect(loudestDb(bridge.heard.since(0), RATE)).toBeGreaterThan(-20);
});

it("does not call to an empty channel, and calls once somebody is there", async () => {
  const listen = `127.0.0.1:${await freeUdpRange(2)}`;
  const bridge = await UsrpRadio.open({ remote: listen });
  let looks = 0;
  const hasAudience = () => Promise.resolve(++looks > 1);
  const demo = await startDemoRadio({
    listen,
    remote: `127.0.0.1:${bridge.port}`,
    log: silent,
    firstCallMs: 10,
    hasAudience,
  });
  opened.push(demo, bridge);
  await bridge.until("keyed", 8_000);
  expect(looks).toBe(2);
});

it("answers who talked on its channel", async () => {
  const { bridge } = await open(60_000);
  await bridge.sendTone(1_000, { ms: 200 });
  await bridge.until("keyed", 3_000);
});

it("answers too when the end of their talk was lost", async () => {
  const { bridge } = await open(60_000);
  bridge.key();
  bridge.unkey({ lost: true });
  bridge.sendRaw(bridge.frame(true, new Int16Array(160)));
  await bridge.until("keyed", 4_000);
});
