import { loadConfig } from "#common/config.ts";
import { silent } from "#common/log.ts";
import type { GroupEvent, GroupPolicy, MemberKind } from "#common/media-control.ts";
import { BUS_RATE, FRAME_MS, FRAME_SAMPLES, type Frame } from "#media/bus/frame.ts";
import { OpusEncoder } from "#media/bus/opus.ts";
import type { LegHost, MediaLeg, MixFrame } from "#media/group/leg.ts";
import { freeUdpRange } from "#test/setup/free-ports.ts";
import { startBrowserLegs, type RunningBrowserLegs } from "../browser-legs.ts";

/** UDP ports for media workers: one each. */
const PORTS = 4;

/** The browsers' side of one media thread, without the rest of it. */
export interface BrowserSide {
  readonly legs: RunningBrowserLegs;
  readonly counts: Map<string, number>;
  close(): Promise<void>;
}

export async function startBrowserSide(): Promise<BrowserSide> {
  const from = await freeUdpRange(PORTS);
  const ports = Array.from({ length: PORTS }, (_, i) => from + i);
  const counts = new Map<string, number>();
  const legs = await startBrowserLegs({
    config: loadConfig({}, "/nonexistent/crossband.yaml"),
    log: silent,
    takePort: () => {
      const port = ports.pop();
      if (port === undefined) throw new Error("the test has no port left");
      return port;
    },
    count: (name, reason) => {
      const key = reason === undefined ? name : `${name}:${reason}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    },
  });
  return { legs, counts, close: () => legs.close() };
}

/** What a group is to a leg: notes what it says, pulls and sends on a beat when told to. */
export class FakeGroup {
  readonly policy: GroupPolicy;
  readonly events: GroupEvent[] = [];
  readonly voices: { leg: string; active: boolean }[] = [];
  readonly ended: { leg: string; reason: string }[] = [];
  readonly changes: string[] = [];
  readonly #side: BrowserSide;
  readonly #encoder = new OpusEncoder();
  #atMs = 0;

  constructor(side: BrowserSide, id: string, mode: GroupPolicy["mode"]) {
    this.#side = side;
    this.policy = { id, name: id, mode, maxTalkMs: 60_000, hangMs: 500, queue: true, phonePtt: "dtmf" };
  }

  open(id: string, kind: MemberKind = "browser"): MediaLeg {
    const host: LegHost = {
      voice: (leg, active) => this.voices.push({ leg: leg.id, active }),
      digit: () => undefined,
      changed: (leg) => this.changes.push(leg.id),
      ended: (leg, reason) => {
        this.ended.push({ leg: leg.id, reason });
        leg.close();
      },
      publish: (event) => this.events.push(event),
    };
    return this.#side.legs.open({
      id,
      group: this.policy,
      member: { id, name: id, kind, priority: 5 },
      host,
    });
  }

  /** Takes a leg's audio for `ms`, one frame a beat, as the bus does. */
  async hear(leg: MediaLeg, ms: number): Promise<Int16Array> {
    leg.setHeard(true);
    const heard: number[] = [];
    await this.#beat(ms, () => heard.push(...(leg.pull() ?? new Int16Array(FRAME_SAMPLES))));
    leg.setHeard(false);
    return Int16Array.from(heard);
  }

  /** Plays a sine to legs for `ms`, one burst. */
  async play(legs: readonly MediaLeg[], hz: number, ms: number, shared = true): Promise<void> {
    let at = 0;
    await this.#beat(ms, () => {
      const pcm = Int16Array.from(
        { length: FRAME_SAMPLES },
        () => 8_000 * Math.sin((2 * Math.PI * hz * at++) / BUS_RATE),
      );
      const mix = this.#mix(pcm, shared);
      for (const leg of legs) leg.send(mix);
    });
    for (const leg of legs) leg.endBurst();
  }

  /** Lets time pass on the group's clock without audio. */
  pause(ms: number): void {
    this.#atMs += Math.round(ms / FRAME_MS) * FRAME_MS;
  }

  #mix(pcm: Frame, shared: boolean): MixFrame {
    let encoded: Uint8Array | undefined;
    return { pcm, atMs: this.#atMs, shared, payload: () => (encoded ??= this.#encoder.encode(pcm)) };
  }

  async #beat(ms: number, task: () => void): Promise<void> {
    const beats = Math.round(ms / FRAME_MS);
    const start = performance.now();
    for (let beat = 0; beat < beats;) {
      const due = Math.floor((performance.now() - start) / FRAME_MS) + 1;
      for (; beat < Math.min(due, beats); beat++) {
        this.#atMs += FRAME_MS;
        task();
      }
      await new Promise((resolve) =>
        setTimeout(resolve, Math.max(0, start + beat * FRAME_MS - performance.now())),
      );
    }
  }
}
