import type { Description, GroupEvent, GroupPolicy, LegAnswer, Member } from "#common/media-control.ts";
import type { Logger } from "#common/log.ts";
import type { Config } from "#common/config.ts";
import type { Frame } from "#media/bus/frame.ts";

/** What a leg can be sent. `l16` is L16/8000 mono; `opus` is one 20 ms mono packet. */
export type PayloadKind = "pcmu" | "pcma" | "opus" | "l16";

/**
 * 20 ms on their way to one or more legs. Every leg that hears the same is given the same object, so that `payload` encodes
 * once a codec and a leg may tell by identity what it has sent already.
 */
export interface MixFrame {
  readonly pcm: Frame;
  /** When it plays, in ms: FRAME_MS after the one before within a burst; a pause between bursts shows its length. */
  readonly atMs: number;
  /** True when every listener of the group is given this; false for a mix or a tone of one leg alone. */
  readonly shared: boolean;
  /** The frame in a codec; the octets are shared: never write to them. */
  payload(kind: PayloadKind): Uint8Array;
}

/** How a leg stands towards the floor of its half-duplex group. */
export type FloorStanding = "none" | "granted" | "refused";

/**
 * One participant's connection: a phone, a radio bridge or a browser. The group owns the beat: while it hears a leg it pulls
 * one frame each 20 ms, and while others are heard it sends one. Between bursts nothing is called at all.
 * No method throws or waits, but `negotiate`.
 */
export interface MediaLeg {
  readonly id: string;
  readonly member: Member;
  /** True while its camera is on. A change is announced by `LegHost.changed`. */
  readonly camera: boolean;
  /** True when it is to be sent audio (its negotiated direction, and it has an address). */
  readonly listens: boolean;

  /**
   * One offer/answer exchange. Called again alike when a request is repeated: must then answer the same.
   *
   * @throws CrossbandError SDP_INVALID, SDP_NOT_ACCEPTABLE (context: warning), PORTS_EXHAUSTED, WORKER_UNAVAILABLE; the leg
   *   stays as it was
   */
  negotiate(description: Description): Promise<LegAnswer>;
  /** From now on its audio is taken, or not. Decode only between true and false; forget what was buffered before true. */
  setHeard(heard: boolean): void;
  /** The next 20 ms of its audio, losses concealed; undefined for silence. Called once a beat, only while heard. */
  pull(): Frame | undefined;
  /** Plays one frame to it. Never its own audio. */
  send(mix: MixFrame): void;
  /** What it was sent has come to an end; the next `send` starts a burst. */
  endBurst(): void;
  /** Half duplex: the answer to its wish to talk changed. */
  setFloor(standing: FloorStanding): void;
  /** Once a second: keepalives, reports, timeouts. */
  everySecond(nowMs: number): void;
  /** Closes sockets. Idempotent; says nothing to the host. */
  close(): void;
}

/** What a leg tells its group. Every call is safe at any time, from any callback, after close too. */
export interface LegHost {
  /**
   * It begins or stops to speak: voice activity, a radio's squelch, a microphone that opens. Full duplex: from true to false
   * it is heard. Half duplex: radios, and phones of a `vox` group, ask for the floor and give it back.
   */
  voice(leg: MediaLeg, active: boolean): void;
  /** One key of a telephone, pressed once: `0-9 A-D * #`. */
  digit(leg: MediaLeg, digit: string): void;
  /** `camera` changed. */
  changed(leg: MediaLeg): void;
  /** It cannot go on; the group closes it and signaling ends the call. */
  ended(leg: MediaLeg, reason: "silent" | "media-failed"): void;
  /** Publishes an event on the group's channel (`video` events of a browser). */
  publish(event: GroupEvent): void;
}

/** What makes a leg. */
export interface LegOpening {
  readonly id: string;
  readonly group: GroupPolicy;
  readonly member: Member;
  readonly host: LegHost;
}

/**
 * The browsers of one media thread. `media/webrtc/browser-legs.ts` exports
 * `startBrowserLegs(context: BrowserContext): Promise<BrowserLegs>`; it owns a mediasoup worker made inside the thread and forwards
 * video between the browsers of a group by itself (a group is `LegOpening.group.id`).
 */
export interface BrowserLegs {
  /** A leg that has not negotiated yet; the caller negotiates next, and closes it when that fails. */
  open(opening: LegOpening): MediaLeg;
  close(): Promise<void>;
}

export interface BrowserContext {
  readonly config: Config;
  readonly log: Logger;
  /** Takes one UDP port of the configured range for as long as the thread lives. @throws CrossbandError PORTS_EXHAUSTED */
  takePort(): number;
  /** Counts something for /metrics: `crossband_media_<name>_total`, by `reason` when given. */
  count(name: string, reason?: string): void;
}
