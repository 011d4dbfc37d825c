import { createSocket } from "node:dgram";
import { once } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import type { Clock } from "#common/clock.ts";
import { silent } from "#common/log.ts";
import { FakeClock } from "#media/testing/fake-clock.ts";
import { toneOverRestDb } from "#test/peers/audio/measures.ts";
import { RATE, sampleSource, speechSample, toneSource } from "#test/peers/audio/sources.ts";
import { speechCorrelation } from "#test/peers/audio/speech.ts";
import { UsrpRadio } from "#test/peers/usrp-radio/usrp-radio.ts";
import { pace } from "#test/peers/pace.ts";
import { freeUdpRange } from "#test/setup/free-ports.ts";
import type { RadioPort } from "../radio-port.ts";
import { openUsrp } from "./link.ts";

const opened: { close(): void }[] = [];
afterEach(() => {
  for (const each of opened.splice(0).reverse()) each.close();
});

interface Channel {
  readonly port: RadioPort;
  readonly radio: UsrpRadio;
  readonly listen: string;
  /** `open` and `close` of the squelch, in order. */
  readonly squelch: string[];
  readonly frames: Int16Array[];
  readonly counted: string[];
}

async function open({ limitMs, clock }: { limitMs?: number; clock?: Clock } = {}): Promise<Channel> {
  const listen = `127.0.0.1:${await freeUdpRange(2)}`;
  const radio = await UsrpRadio.open({ remote: listen });
  const [squelch, frames, counted]: [string[], Int16Array[], string[]] = [[], [], []];
  const port = await openUsrp({
    listen,
    remote: `127.0.0.1:${radio.port}`,
    log: silent,
    count: (name, reason = "") => counted.push(`${name} ${reason}`.trim()),
    listener: {
      keyed: (on) => squelch.push(on ? "open" : "close"),
      frame: (samples) => frames.push(samples),
    },
    ...(limitMs !== undefined && { limitMs }),
    ...(clock && { clock }),
  });
  opened.push(port, radio);
  return { port, radio, listen, squelch, frames, counted };
}

/** Feeds the port as the group does: one frame each 20 ms until told to stop. */
function talk(port: RadioPort, source = toneSource(1_000)): () => void {
  port.transmit(true);
  const stop = pace(20, () => {
    port.send(source.next(160));
  });
  return () => {
    stop();
    port.transmit(false);
  };
}

/** Lets a link's time pass, a beat at a time, and what it sends arrive. */
async function pass(clock: FakeClock, ms: number, eachBeat: () => void = () => undefined): Promise<void> {
  for (let passed = 0; passed < ms; passed += 20) {
    eachBeat();
    clock.advance(20);
    await turn();
  }
}

describe("from the radio", () => {
  it("opens with its first frame, passes every frame, and closes with its unkey", async () => {
    const { radio, squelch, frames } = await open();
    await radio.sendTone(1_000, { ms: 400 });
    await expect.poll(() => squelch).toEqual(["open", "close"]);
    expect(frames).toHaveLength(20);
    expect(
      toneOverRestDb(Int16Array.from(frames.flatMap((frame) => [...frame])), RATE, 1_000),
    ).toBeGreaterThan(40);
  });

  it("closes after 300 ms when the unkey is lost", async () => {
    const clock = new FakeClock();
    const { radio, squelch, counted } = await open({ clock });
    radio.sendRaw(radio.frame(true, new Int16Array(160)));
    await expect.poll(() => squelch).toEqual(["open"]);
    clock.advance(299);
    expect(squelch).toEqual(["open"]);
    clock.advance(1);
    expect(squelch).toEqual(["open", "close"]);
    expect(counted).toContain("events unkey-lost");
  });

  it("drops the audio of DVSwitch's last frame and takes it as unkey", async () => {
    const { radio, squelch, frames } = await open();
    radio.sendRaw(radio.frame(true, new Int16Array(160)));
    radio.unkey({ withAudio: true });
    await expect.poll(() => squelch).toEqual(["open", "close"]);
    expect(frames).toHaveLength(1);
  });

  it("takes a node that restarted its numbers", async () => {
    const { radio, frames } = await open();
    for (let i = 0; i < 100; i++) radio.frame(true);
    radio.sendRaw(radio.frame(true, new Int16Array(160)));
    radio.restart();
    radio.sendRaw(radio.frame(true, new Int16Array(160)));
    radio.sendRaw(radio.frame(true, new Int16Array(160)));
    await expect.poll(() => frames).toHaveLength(3);
  });

  it("isolates a stuck source until it clears", async () => {
    const { radio, squelch, counted } = await open({ limitMs: 200 });
    radio.key();
    await expect.poll(() => counted).toContain("events receive-limit");
    expect(squelch).toEqual(["open", "close"]);
    radio.unkey();
    radio.key();
    await expect.poll(() => squelch).toEqual(["open", "close", "open"]);
  });
});

describe("to the radio", () => {
  it("keys at once, keeps the pace of 20 ms, and unkeys by a header alone", async () => {
    const clock = new FakeClock();
    const { port, radio } = await open({ clock });
    const source = toneSource(1_000);
    port.transmit(true);
    await pass(clock, 1_000, () => {
      port.send(source.next(160));
    });
    const heard = await radio.heard.atLeast(1_000);
    expect(radio.received.audio).toBe(50);
    port.transmit(false);
    await pass(clock, 100);
    await radio.until("unkeyed");
    expect(toneOverRestDb(heard.subarray(1_600), RATE, 1_000)).toBeGreaterThan(20);
    expect(radio.keyEvents.map(({ keyed, bytes }) => [keyed, bytes])).toEqual([
      [true, 352],
      [false, 32],
    ]);
    expect(radio.sequences).toEqual(radio.sequences.map((_, i) => i));
  });

  it("spreads a burst of frames over time", async () => {
    const clock = new FakeClock();
    const { port, radio } = await open({ clock });
    port.transmit(true);
    for (let i = 0; i < 5; i++) port.send(new Int16Array(160).fill(i + 1));
    port.transmit(false);
    for (let beat = 1; beat <= 5; beat++) {
      clock.advance(20);
      await expect.poll(() => radio.received.audio).toBe(beat);
    }
    expect(radio.transmitting).toBe(true);
    clock.advance(20);
    await radio.until("unkeyed");
  });

  it("carries speech whole", async () => {
    const clock = new FakeClock();
    const { port, radio } = await open({ clock });
    const source = sampleSource(speechSample());
    port.transmit(true);
    await pass(clock, 3_500, () => {
      port.send(source.next(160));
    });
    const heard = await radio.heard.atLeast(3_500);
    expect(speechCorrelation(speechSample(), heard)).toBeGreaterThan(0.9);
  });

  it("carries speech whole although it stalls for 150 ms now and then", async () => {
    const clock = new FakeClock();
    const { port, radio } = await open({ clock });
    const source = sampleSource(speechSample());
    const startMs = clock.now();
    let [said, stalls] = [0, 0];
    port.transmit(true);
    await pass(clock, 3_000, () => {
      if (clock.now() - startMs > 500 * (stalls + 1)) {
        clock.stall(150);
        stalls++;
      }
      for (; said <= clock.now() - startMs; said += 20) port.send(source.next(160));
    });
    const heard = await radio.heard.atLeast(3_500);
    expect(stalls).toBeGreaterThan(5);
    expect(speechCorrelation(speechSample(), heard)).toBeGreaterThan(0.9);
  });

  it("unkeys after the time limit and stays so until the group falls silent", async () => {
    const { port, radio, counted } = await open({ limitMs: 200 });
    const stop = talk(port);
    await radio.until("keyed");
    await radio.until("unkeyed");
    expect(counted).toContain("events transmit-limit");
    port.transmit(true);
    expect(radio.transmitting).toBe(false);
    stop();
    const again = talk(port);
    await radio.until("keyed");
    again();
  });

  it("unkeys when it is closed", async () => {
    const { port, radio } = await open();
    port.transmit(true);
    await radio.until("keyed");
    port.close();
    await radio.until("unkeyed");
  });
});

describe("against feedback", () => {
  it("gives the group nothing of what comes back while it transmits", async () => {
    const { port, radio, squelch, counted } = await open();
    const stop = talk(port);
    await radio.until("keyed");
    radio.key();
    await expect.poll(() => counted).toContain("events while-transmitting");
    stop();
    await radio.until("unkeyed");
    await expect.poll(() => port.health().state).toBe("refused");
    expect(squelch).toEqual([]);
    radio.unkey();
    await expect.poll(() => port.health().state).toBe("idle");
  });

  it("refuses a channel that would listen where it sends", async () => {
    const address = "127.0.0.1:4569";
    const opening = openUsrp({
      listen: address,
      remote: address,
      log: silent,
      count: () => undefined,
      listener: { keyed: () => undefined, frame: () => undefined },
    });
    await expect(opening).rejects.toMatchObject({ code: "SETUP_FAILED" });
  });
});

describe("bad datagrams", () => {
  it("counts and drops what is malformed, doubled or from elsewhere, and works on", async () => {
    const { radio, listen, frames, counted } = await open();
    radio.sendRaw(Buffer.from("USRPshort"));
    radio.sendRaw(Buffer.alloc(352, 0x41));
    radio.sendRaw(radio.frame(true, new Int16Array(160)).subarray(0, 200));
    const twice = radio.frame(true, new Int16Array(160));
    radio.frame(true);
    const stranger = createSocket("udp4");
    stranger.send(twice, Number(listen.split(":")[1]), "127.0.0.1");
    await once(stranger, "listening");
    await expect.poll(() => counted).toContain("dropped foreign-source");
    stranger.close();
    const next = radio.frame(true, new Int16Array(160));
    radio.sendRaw(next);
    radio.sendRaw(next);
    await expect.poll(() => counted).toContain("dropped stale");
    expect(frames).toHaveLength(1);
    expect(counted).toEqual(
      expect.arrayContaining([
        "dropped malformed-short",
        "dropped malformed-magic",
        "dropped malformed-audio-length",
      ]),
    );
  });

  it("says which address it could not listen on", async () => {
    const { listen } = await open();
    const opening = openUsrp({
      listen,
      remote: "127.0.0.1:9",
      log: silent,
      count: () => undefined,
      listener: { keyed: () => undefined, frame: () => undefined },
    });
    await expect(opening).rejects.toThrow(`cannot open the radio channel at ${listen}`);
  });
});
