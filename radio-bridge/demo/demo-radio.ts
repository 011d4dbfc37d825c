import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { systemClock, type Clock } from "#common/clock.ts";
import type { Logger } from "#common/log.ts";
import { splitAddress } from "../address.ts";
import { startBeat } from "../beat.ts";
import { FRAME_MS, FRAME_SAMPLES } from "../radio-port.ts";
import { decodeUsrp, encodeUnkey, encodeVoice } from "../usrp/wire.codec.ts";
import { Timers } from "../usrp/timers.ts";
import { CALL_EVERY_MS, stepDemo, type DemoEffect, type DemoEvent, type DemoState } from "./demo.machine.ts";

export interface DemoRadioOptions {
  /** `host:port` where the bridge sends to: the channel's `remote`. */
  readonly listen: string;
  /** `host:port` where the bridge listens: the channel's `listen`. */
  readonly remote: string;
  readonly log: Logger;
  readonly clock?: Clock;
  /** When it calls first, in ms. */
  readonly firstCallMs?: number;
  /** Whether anybody is there to hear it; without, it calls to an empty channel too. */
  readonly hasAudience?: () => Promise<boolean>;
}

export interface DemoRadio {
  close(): Promise<void>;
}

/** Without a frame for this long the bridge has unkeyed us, in ms. */
const QUIET_MS = 500;

/** How soon it looks again for somebody to call to, in ms. */
const LOOK_AGAIN_MS = 5_000;

/** Starts a simulated handheld on a USRP channel, so that a newcomer hears something and is answered. */
export async function startDemoRadio(options: DemoRadioOptions): Promise<DemoRadio> {
  const { log, clock = systemClock, firstCallMs = CALL_EVERY_MS / 4 } = options;
  const [local, remote] = [splitAddress(options.listen), splitAddress(options.remote)];
  const phrases = { call: phrase("call.wav"), answer: phrase("answer.wav") };
  const socket = createSocket(local.host.includes(":") ? "udp6" : "udp4");
  socket.bind(local.port, local.host);
  await once(socket, "listening");
  let state: DemoState = { name: "listening" };
  let sequence = 0;
  let stopTalking: (() => void) | undefined;
  let closing: Promise<void> | undefined;
  const timers = new Timers<"wait" | "quiet">(clock, (name) => {
    if (name === "quiet") step({ type: "unkeyed" });
    else if (state.name === "listening") void callSomebody();
    else step({ type: "elapsed" });
  });
  const callSomebody = async (): Promise<void> => {
    const heard = await (options.hasAudience?.() ?? Promise.resolve(true)).catch(() => false);
    // Somebody may have talked meanwhile: then it answers and does not call.
    if (closing || state.name !== "listening") return;
    if (heard) step({ type: "elapsed" });
    else timers.arm("wait", LOOK_AGAIN_MS);
  };
  const write = (datagram: Uint8Array) => {
    socket.send(datagram, remote.port, remote.host);
  };

  function step(event: DemoEvent): void {
    const next = stepDemo(state, event);
    if (!next) return;
    state = next.state;
    next.effects.forEach(carryOut);
  }
  function carryOut(effect: DemoEffect): void {
    switch (effect.do) {
      case "say":
        log.debug({ what: effect.what }, "demo radio talks");
        say(phrases[effect.what]);
        return;
      case "wait":
        timers.disarm("wait");
        timers.arm("wait", effect.ms);
        return;
      case "stop-waiting":
        timers.disarm("wait");
    }
  }
  function say(samples: Int16Array): void {
    let at = 0;
    stopTalking = startBeat(clock, FRAME_MS, () => {
      if (at < samples.length) {
        const frame = new Int16Array(FRAME_SAMPLES);
        frame.set(samples.subarray(at, at + FRAME_SAMPLES));
        write(encodeVoice(sequence++, frame));
        at += FRAME_SAMPLES;
        return;
      }
      stopTalking?.();
      stopTalking = undefined;
      write(encodeUnkey(sequence++));
      step({ type: "said" });
    });
  }

  socket.on("message", (datagram) => {
    const { kind } = decodeUsrp(datagram);
    if (kind === "voice") {
      timers.arm("quiet", QUIET_MS);
      step({ type: "keyed" });
    } else if (kind === "unkey") {
      timers.disarm("quiet");
      step({ type: "unkeyed" });
    }
  });
  // The bridge may not be up yet: what it does not take is lost, as on the air.
  socket.on("error", () => undefined);
  timers.arm("wait", firstCallMs);

  return {
    close: () =>
      (closing ??= new Promise((resolve) => {
        timers.close();
        stopTalking?.();
        socket.removeAllListeners("message");
        socket.close(() => {
          resolve();
        });
      })),
  };
}

/** Samples of one of this folder's recordings: 8 kHz, 16 bit, mono, behind a header of 44 octets. */
function phrase(file: string): Int16Array {
  const wav = readFileSync(new URL(file, import.meta.url));
  return Int16Array.from({ length: (wav.length - 44) >> 1 }, (_, i) => wav.readInt16LE(44 + 2 * i));
}
