import { afterAll, beforeAll, expect, it } from "vitest";
import { startCrossband, type RunningCrossband } from "#test/peers/crossband/start-crossband.ts";
import { typicalToneDb } from "../audio/measures.ts";
import { RATE, speechSample } from "../audio/sources.ts";
import { speechCorrelation } from "../audio/speech.ts";
import { hearsGrantTone } from "../audio/tones.ts";
import { createPhone, type Phone } from "../sip-phone/phone.ts";
import { Baresip } from "./baresip.ts";

const provision = `
domain: baresip.test
agencies: [{ id: fire, name: Fire }]
users:
  - { id: alice, agency: fire, name: Alice, password: alice-secret }
  - { id: bob, agency: fire, name: Bob, password: bob-secret }
talkGroups: [{ id: fire-1, agency: fire, name: Fire 1 }]
`;

let crossband: RunningCrossband;
let bob: Phone;
let baresip: Baresip;
beforeAll(async () => {
  crossband = await startCrossband({ provision });
  const server = crossband.ready.sip.udp;
  bob = await createPhone({ server, domain: "baresip.test", user: "bob", password: "bob-secret" });
  await bob.register();
  baresip = await Baresip.start({
    server,
    domain: "baresip.test",
    user: "alice",
    password: "alice-secret",
    leadMs: 1_500,
  });
});
afterAll(async () => {
  await baresip.stop();
  bob.close();
  await crossband.end();
});

it("baresip registers with digest, takes the floor of a group, is heard, and hears the others", async () => {
  await baresip.registered();
  const call = await bob.call("fire-1");
  await baresip.dial("sip:fire-1@baresip.test");
  const pressed = Date.now();
  await baresip.press("*");
  const lately = (audio: Int16Array) => audio.subarray(-6 * RATE);
  const heard = await call.heard.until((audio) => speechCorrelation(speechSample(), lately(audio)) > 0.8, {
    what: "baresip's speech",
    fromMs: pressed,
    deadlineMs: 20_000,
  });
  expect(heard.length).toBeGreaterThan(0);
  await baresip.press("#");
  await call.digit("*");
  await call.heard.until((audio) => hearsGrantTone(audio, RATE), { what: "the grant tone" });
  await call.sendTone(1_000, { ms: 1_500 });
  await call.digit("#");
  await baresip.hangup();
  const { rate, samples } = await baresip.recording();
  const second = (at: number) => typicalToneDb(samples.subarray(at, at + rate), rate, 1_000);
  const starts = Array.from(
    { length: Math.max(0, Math.floor((samples.length - rate) / (rate / 10))) },
    (_, i) => (i * rate) / 10,
  );
  expect(Math.max(...starts.map(second))).toBeGreaterThan(20);
  await call.hangup();
});
