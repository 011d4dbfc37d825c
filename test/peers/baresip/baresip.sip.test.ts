import { afterEach, describe, expect, it } from "vitest";
import { toneOverRestDb } from "../audio/measures.ts";
import { speechSample } from "../audio/sources.ts";
import { speechCorrelation } from "../audio/speech.ts";
import { openFakeRegistrar } from "../sip-phone/fake-registrar.ts";
import { createPhone } from "../sip-phone/phone.ts";
import { Baresip } from "./baresip.ts";
import { netstrings, toNetstring } from "./netstring.ts";

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

async function registrar() {
  const server = await openFakeRegistrar("alice", "secret");
  opened.push(() => {
    server.close();
  });
  return server.address;
}
async function start(server: string, password: string, register = true) {
  const baresip = await Baresip.start({ server, domain: "test", user: "alice", password, register });
  opened.push(() => baresip.stop());
  return baresip;
}

describe("baresip", () => {
  it("registers with digest", async () => {
    const baresip = await start(await registrar(), "secret");
    await baresip.registered();
  });

  it("says when it was refused", async () => {
    const baresip = await start(await registrar(), "wrong");
    await expect(baresip.registered()).rejects.toThrow("no registration");
  });

  it("calls, presses keys, says its speech and records what it hears", async () => {
    const bob = await createPhone({ server: "127.0.0.1:9", domain: "test", user: "bob", answer: "auto" });
    opened.push(() => {
      bob.close();
    });
    const baresip = await start(`127.0.0.1:${bob.endpoint.transport.port}`, "", false);
    await baresip.dial("sip:bob@test");
    const { call } = await bob.incoming();
    void call.sendTone(1_000);
    await baresip.press("*");
    const heard = await call.heard.atLeast(4_500);
    await baresip.hangup();
    expect(call.rtp.digitsHeard).toEqual(["*"]);
    expect(speechCorrelation(speechSample(), heard)).toBeGreaterThan(0.8);
    const { rate, samples } = await baresip.recording();
    expect(toneOverRestDb(samples.subarray(rate), rate, 1_000)).toBeGreaterThan(20);
  });
});

describe("netstrings", () => {
  it("are cut from a stream however it is chopped", () => {
    const got: string[] = [];
    const push = netstrings((text) => got.push(text));
    for (const octet of Buffer.from(toNetstring("grüße") + toNetstring("{}"))) push(Buffer.from([octet]));
    expect(got).toEqual(["grüße", "{}"]);
  });
});
