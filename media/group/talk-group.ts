import type { Clock } from "#common/clock.ts";
import type {
  FloorAnswer,
  FloorRequest,
  GroupEvent,
  GroupPolicy,
  GroupSnapshot,
  Participant,
} from "#common/media-control.ts";
import type { Logger } from "#common/log.ts";
import { SILENCE, type Frame } from "#media/bus/frame.ts";
import { Limiter } from "#media/bus/limiter.ts";
import { toneFrames, type ToneName } from "#media/bus/tones.ts";
import { Beat } from "./beat.ts";
import { FloorControl } from "./floor-control.ts";
import type { LegHost, MediaLeg } from "./leg.ts";
import { MixOutput } from "./mix-output.ts";
import { minus, sumOf } from "./mix.ts";

/** What a group tells the thread it lives on. */
export interface GroupHost {
  publish(event: GroupEvent): void;
  /** Something that a snapshot shows has changed. */
  changed(group: TalkGroup): void;
  ended(leg: MediaLeg, reason: "silent" | "media-failed"): void;
  count(name: string, reason?: string): void;
  /** A beat came this late, in ms. */
  late(ms: number): void;
}

/** One participant, and what is kept for it while it talks or is told something. */
interface Seat {
  readonly leg: MediaLeg;
  heard: boolean;
  /** It was sent a frame on the last beat. */
  fed: boolean;
  /** What is left of a tone that it is told. */
  tone: readonly Frame[];
  /** What it alone hears: its mix-minus, or a tone. */
  own?: { readonly output: MixOutput; readonly limiter: Limiter };
}

/**
 * A talk group on one thread. Half duplex: whoever holds the floor is heard by the others, and hears only tones. Full duplex:
 * everyone who speaks is heard by everyone else. The beat runs only while somebody is heard or told something.
 */
export class TalkGroup implements LegHost {
  readonly #host: GroupHost;
  readonly #seats = new Map<string, Seat>();
  readonly #floor: FloorControl;
  readonly #beat: Beat;
  readonly #shared = new MixOutput(true);
  readonly #limiter = new Limiter();
  #policy: GroupPolicy;

  constructor(policy: GroupPolicy, host: GroupHost, clock: Clock, log: Logger) {
    this.#policy = policy;
    this.#host = host;
    this.#floor = new FloorControl(
      policy,
      {
        granted: (leg) => {
          this.#granted(leg);
        },
        refused: (leg) => {
          this.#refused(leg);
        },
        cut: (leg) => {
          this.#cut(leg);
        },
        rested: (leg) => {
          this.#rested(leg);
        },
        publish: (event) => {
          this.publish(event);
        },
        count: (name, reason) => {
          host.count(name, reason);
        },
      },
      clock,
      log.child({ group: policy.id }),
    );
    this.#beat = new Beat(clock, (atMs, lateMs) => {
      host.late(lateMs);
      this.#play(atMs);
    });
  }

  get id(): string {
    return this.#policy.id;
  }

  get empty(): boolean {
    return this.#seats.size === 0;
  }

  get policy(): GroupPolicy {
    return this.#policy;
  }

  set policy(policy: GroupPolicy) {
    this.#policy = policy;
    this.#floor.policy = policy;
  }

  get legs(): MediaLeg[] {
    return [...this.#seats.values()].map(({ leg }) => leg);
  }

  snapshot(): GroupSnapshot {
    return {
      group: this.id,
      floor: this.#floor.state,
      participants: this.#participants(),
      talking: this.#talking(),
    };
  }

  /** Adds a participant whose media is agreed upon. */
  join(leg: MediaLeg): void {
    this.#seats.set(leg.id, { leg, heard: false, fed: false, tone: [] });
    this.publish({ type: "participants", group: this.id, participants: this.#participants() });
  }

  /** Removes a participant; its floor is free. Unknown legs are fine. */
  leave(id: string): void {
    const seat = this.#seats.get(id);
    if (!seat) return;
    this.#seats.delete(id);
    const talked = seat.heard && !this.#halfDuplex;
    this.#floor.leave(id);
    if (talked) this.publish({ type: "talking", group: this.id, talking: this.#talking() });
    this.publish({ type: "participants", group: this.id, participants: this.#participants() });
    this.#restIfQuiet();
  }

  /** A console's press. In a full-duplex group nobody has to ask. */
  console(request: FloorRequest): FloorAnswer {
    const { seq } = this.#floor.state;
    const seat = this.#seats.get(request.leg);
    if (!seat) return { outcome: "denied", seq, cause: "listen-only" };
    if (this.#halfDuplex) return this.#floor.console(request, seat.leg.member);
    return request.action === "release"
      ? { outcome: "released", seq }
      : { outcome: "granted", seq, untilMs: Number.MAX_SAFE_INTEGER };
  }

  everySecond(nowMs: number): void {
    for (const { leg } of this.#seats.values()) leg.everySecond(nowMs);
  }

  close(): void {
    this.#beat.stop();
    this.#floor.close();
    for (const { leg } of this.#seats.values()) leg.close();
    this.#seats.clear();
  }

  voice(leg: MediaLeg, active: boolean): void {
    const seat = this.#seats.get(leg.id);
    if (seat?.leg !== leg) return;
    if (!this.#halfDuplex) {
      this.#hear(seat, active);
      return;
    }
    const asks =
      leg.member.kind === "radio" || (leg.member.kind === "phone" && this.#policy.phonePtt === "vox");
    if (!asks) return;
    if (active) this.#floor.request(leg.id, leg.member, true);
    else this.#floor.release(leg.id);
  }

  digit(leg: MediaLeg, digit: string): void {
    const seat = this.#seats.get(leg.id);
    if (seat?.leg !== leg || !this.#halfDuplex || this.#policy.phonePtt !== "dtmf") return;
    if (digit === "*") this.#floor.request(leg.id, leg.member, false);
    if (digit === "#") this.#floor.release(leg.id);
  }

  changed(leg: MediaLeg): void {
    if (this.#seats.get(leg.id)?.leg !== leg) return;
    this.publish({ type: "participants", group: this.id, participants: this.#participants() });
  }

  ended(leg: MediaLeg, reason: "silent" | "media-failed"): void {
    if (this.#seats.get(leg.id)?.leg === leg) this.#host.ended(leg, reason);
  }

  publish(event: GroupEvent): void {
    this.#host.publish(event);
    this.#host.changed(this);
  }

  get #halfDuplex(): boolean {
    return this.#policy.mode === "half-duplex";
  }

  #participants(): Participant[] {
    return this.legs.map((leg) => ({ ...leg.member, leg: leg.id, camera: leg.camera }));
  }

  #talking(): string[] {
    return this.#halfDuplex
      ? []
      : [...this.#seats.values()].filter(({ heard }) => heard).map(({ leg }) => leg.id);
  }

  /** Full duplex: begins or ends to mix a participant. */
  #hear(seat: Seat, heard: boolean): void {
    if (seat.heard === heard) return;
    seat.heard = heard;
    seat.leg.setHeard(heard);
    if (heard) this.#beat.start();
    this.publish({ type: "talking", group: this.id, talking: this.#talking() });
    this.#restIfQuiet();
  }

  #granted(id: string): void {
    const seat = this.#seats.get(id);
    if (!seat || seat.heard) return;
    seat.heard = true;
    seat.leg.setHeard(true);
    seat.leg.setFloor("granted");
    this.#tell(seat, "grant");
    this.#beat.start();
  }

  #refused(id: string): void {
    const seat = this.#seats.get(id);
    if (!seat) return;
    seat.leg.setFloor("refused");
    this.#tell(seat, "busy");
  }

  #cut(id: string): void {
    const seat = this.#seats.get(id);
    if (!seat) return;
    this.#unhear(seat);
    seat.leg.setFloor("refused");
    this.#tell(seat, "end");
  }

  #rested(id: string): void {
    const seat = this.#seats.get(id);
    if (!seat) return;
    this.#unhear(seat);
    seat.leg.setFloor("none");
    this.#restIfQuiet();
  }

  #unhear(seat: Seat): void {
    if (!seat.heard) return;
    seat.heard = false;
    seat.leg.setHeard(false);
  }

  /** Phones are told by ear; a radio would transmit the tone, and a console makes its own. */
  #tell(seat: Seat, tone: ToneName): void {
    if (seat.leg.member.kind !== "phone") return;
    seat.tone = toneFrames(tone);
    this.#beat.start();
  }

  #play(atMs: number): void {
    const frames = new Map<Seat, Frame>();
    let live = false;
    for (const seat of this.#seats.values()) {
      if (!seat.heard) continue;
      live = true;
      frames.set(seat, seat.leg.pull() ?? SILENCE);
    }
    const sum = live ? sumOf(frames.values()) : undefined;
    const mix = sum && this.#shared.frame(this.#limiter.process(sum), atMs);
    for (const seat of this.#seats.values()) {
      const frame =
        this.#tonesOf(seat, atMs) ?? (seat.heard ? sum && this.#mixMinus(seat, frames, sum, atMs) : mix);
      const feed = frame !== undefined && seat.leg.listens;
      if (feed) seat.leg.send(frame);
      else if (seat.fed) seat.leg.endBurst();
      seat.fed = feed;
      if (!seat.heard && seat.tone.length === 0) delete seat.own;
    }
    this.#restIfQuiet();
  }

  #tonesOf(seat: Seat, atMs: number): ReturnType<MixOutput["frame"]> | undefined {
    const [next, ...rest] = seat.tone;
    if (!next) return undefined;
    seat.tone = rest;
    return this.#own(seat).output.frame(next, atMs);
  }

  /** What a talker hears: the others, when there are any. */
  #mixMinus(
    seat: Seat,
    frames: ReadonlyMap<Seat, Frame>,
    sum: Int32Array,
    atMs: number,
  ): ReturnType<MixOutput["frame"]> | undefined {
    const own = frames.get(seat);
    if (this.#halfDuplex || !own || frames.size < 2) return undefined;
    const { output, limiter } = this.#own(seat);
    return output.frame(limiter.process(minus(sum, own)), atMs);
  }

  #own(seat: Seat): NonNullable<Seat["own"]> {
    if (seat.own) return seat.own;
    const output = new MixOutput(false);
    output.continueFrom(this.#shared);
    return (seat.own = { output, limiter: new Limiter() });
  }

  /** Stops the beat when nobody is heard and nobody is told anything. */
  #restIfQuiet(): void {
    if (!this.#beat.running) return;
    for (const { heard, tone } of this.#seats.values()) if (heard || tone.length > 0) return;
    this.#beat.stop();
    for (const seat of this.#seats.values()) {
      if (seat.fed) seat.leg.endBurst();
      seat.fed = false;
      delete seat.own;
    }
  }
}
