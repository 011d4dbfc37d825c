import { afterEach, describe, expect, it } from "vitest";
import { RATE, speechSample } from "../audio/sources.ts";
import { isSilent, toneOverRestDb } from "../audio/measures.ts";
import { speechCorrelation } from "../audio/speech.ts";
import { openFakeRegistrar } from "./fake-registrar.ts";
import { CallRefused } from "./outgoing-call.ts";
import { createPhone, type Phone, type PhoneOptions } from "./phone.ts";

const opened: { close(): void }[] = [];
afterEach(() => {
  for (const each of opened.splice(0)) each.close();
});

async function open(options: Partial<PhoneOptions> & { server: string }): Promise<Phone> {
  const phone = await createPhone({ domain: "test", user: "phone", ...options });
  opened.push(phone);
  return phone;
}

/** Two phones, the second one in the place of the first one's server. */
async function pair(answer: "auto" | "manual" = "auto", codecs: PhoneOptions["codecs"] = ["PCMU", "PCMA"]) {
  const callee = await open({ server: "127.0.0.1:9", user: "bob", answer, codecs });
  const caller = await open({ server: `127.0.0.1:${callee.endpoint.transport.port}`, user: "alice" });
  return { caller, callee };
}

describe("register", () => {
  it.each(["MD5", "SHA-256"] as const)("answers a %s challenge", async (algorithm) => {
    const registrar = await openFakeRegistrar("alice", "secret", [algorithm]);
    opened.push(registrar);
    const phone = await open({ server: registrar.address, user: "alice", password: "secret" });
    await expect(phone.register()).resolves.toBe(77);
    expect(registrar.seen.map(({ authorized }) => authorized)).toEqual([false, true]);
  });

  it("says what a wrong password was answered", async () => {
    const registrar = await openFakeRegistrar("alice", "secret");
    opened.push(registrar);
    const phone = await open({ server: registrar.address, user: "alice", password: "wrong" });
    await expect(phone.register()).rejects.toThrow("REGISTER was answered 401");
  });

  it("gives up with the messages so far when nobody answers", async () => {
    const phone = await open({ server: "127.0.0.1:9" });
    await expect(phone.register({ deadlineMs: 700 })).rejects.toThrow(
      /no final response to REGISTER .* within 700 ms/s,
    );
  });
});

describe("call", () => {
  it.each([[["PCMU"]], [["PCMA"]]] as const)(
    "carries a tone and speech through %s both ways",
    async (codecs) => {
      const { caller, callee } = await pair("auto", codecs);
      const call = await caller.call("bob");
      const far = (await callee.incoming()).call;
      await far.confirmed();
      const start = Date.now();
      void call.sendTone(1_000);
      const tone = await far.heard.until(
        (heard) => heard.length > 4_000 && toneOverRestDb(heard.subarray(-2_400), RATE, 1_000) > 25,
        { what: "1 kHz", fromMs: start },
      );
      expect(toneOverRestDb(tone, RATE, 1_400)).toBeLessThan(-20);
      expect(isSilent(call.heard.since(start), RATE)).toBe(true);
      const spoken = Date.now();
      await far.sendSpeech();
      const speech = await call.heard.atLeast(3_300, spoken);
      expect(speechCorrelation(speechSample(), speech)).toBeGreaterThan(0.9);
      await call.hangup();
      await expect(far.ended).resolves.toEqual({ by: "them", reason: "BYE" });
    },
  );

  it("delivers RFC 4733 digits once each", async () => {
    const { caller, callee } = await pair();
    const call = await caller.call("bob");
    const far = (await callee.incoming()).call;
    await call.digit("*");
    await call.digit("#");
    await far.heard.atLeast(100, Date.now());
    expect(far.rtp.digitsHeard).toEqual(["*", "#"]);
  });

  it("rings, is cancelled, and both sides know", async () => {
    const { caller, callee } = await pair("manual");
    const outgoing = await caller.invite("bob");
    await expect(outgoing.ringing()).resolves.toBe(180);
    const incoming = await callee.incoming();
    await expect(outgoing.cancel()).resolves.toBe(200);
    await expect(outgoing.answered).rejects.toMatchObject({ status: 487 });
    await incoming.cancelledByCaller;
    expect(caller.calls.size + callee.calls.size).toBe(0);
  });

  it("throws the refusal with its status", async () => {
    const { caller, callee } = await pair("manual");
    const refused = caller.call("bob");
    (await callee.incoming()).reject(486, "Busy Here");
    await expect(refused).rejects.toBeInstanceOf(CallRefused);
    await expect(refused).rejects.toMatchObject({ status: 486 });
  });

  it("takes an INVITE without SDP: offer in the 200, answer in the ACK", async () => {
    const { caller, callee } = await pair();
    const call = await caller.call("bob", { withoutSdp: true });
    const far = (await callee.incoming()).call;
    await far.confirmed();
    void call.sendTone(1_000);
    await far.heard.until((heard) => toneOverRestDb(heard, RATE, 1_000) > 15, { what: "1 kHz" });
  });

  it("holds: sends nothing, tells the other side, and goes on after resume", async () => {
    const { caller, callee } = await pair();
    const call = await caller.call("bob");
    const far = (await callee.incoming()).call;
    await call.hold();
    expect(far.remoteDirection).toBe("sendonly");
    expect(call.remoteDirection).toBe("recvonly");
    const before = call.rtp.sent;
    await call.resume();
    expect(call.rtp.sent - before).toBeLessThan(3);
    const resumed = Date.now();
    await far.heard.atLeast(100, resumed);
  });

  it("misbehaves as told: other SSRC, other port, garbage", async () => {
    const { caller, callee } = await pair();
    const call = await caller.call("bob");
    const far = (await callee.incoming()).call;
    await far.heard.atLeast(60);
    call.rtp.changeSsrc();
    await call.rtp.changePort();
    call.rtp.sendRaw(Buffer.from("not RTP"));
    await far.heard.atLeast(100, Date.now());
    expect(far.rtp.ssrcsHeard.size).toBe(2);
    expect(far.rtp.received.malformed).toBe(1);
  });

  // That its pace does not drift: pace.test.ts.
  it("keeps the pace of 20 ms", async () => {
    const { caller, callee } = await pair();
    const call = await caller.call("bob");
    const far = (await callee.incoming()).call;
    const heard = await far.heard.atLeast(1_000);
    const arrivals = far.heard.arrivals();
    expect(heard.length).toBe(arrivals.length * 160);
    const apart = arrivals.map((at, i) => at - (arrivals[i - 1] ?? at)).slice(1);
    expect(apart.sort((a, b) => a - b)[Math.floor(apart.length / 2)]).toBeCloseTo(20, -1);
    await call.hangup();
  });
});

describe("outside a call", () => {
  it("sends text and asks for options", async () => {
    const { caller, callee } = await pair();
    expect((await caller.message("bob", "grüße")).status).toBe(200);
    await expect(callee.nextMessage()).resolves.toMatchObject({ text: "grüße" });
    expect((await caller.askOptions("bob")).status).toBe(200);
  });

  it("answers a repeated request from memory", async () => {
    const { caller, callee } = await pair();
    await caller.message("bob", "once");
    const text = `MESSAGE sip:bob@test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${caller.endpoint.transport.port};branch=z9hG4bKsame\r\nFrom: <sip:a@test>;tag=1\r\nTo: <sip:bob@test>\r\nCall-ID: again\r\nCSeq: 1 MESSAGE\r\nContent-Length: 5\r\n\r\ntwice`;
    caller.endpoint.sendRaw(text);
    caller.endpoint.sendRaw(text);
    await callee.nextMessage();
    await expect(callee.nextMessage()).resolves.toMatchObject({ text: "twice" });
    await expect(callee.nextMessage(200)).rejects.toThrow("no text message within 200 ms");
    expect(callee.endpoint.repeats).toBe(1);
  });

  it("drops what it cannot read and goes on", async () => {
    const { caller, callee } = await pair();
    caller.endpoint.sendRaw("INVITE nonsense\r\n\r\n");
    expect((await caller.message("bob", "still there")).status).toBe(200);
    expect(callee.endpoint.unreadable).toHaveLength(1);
  });
});
