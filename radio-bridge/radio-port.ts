/** Samples of one frame: 20 ms at 8 kHz, mono, 16 bit. */
export const FRAME_SAMPLES = 160;
export const FRAME_MS = 20;

/** What the far side says about a transmission, where its protocol can say it. */
export interface KeyInfo {
  /** Call sign or radio id of who talks. */
  readonly talker?: string;
}

export interface RadioCapabilities {
  /** half: while it transmits it can hear nobody. */
  readonly duplex: "half" | "full";
  readonly sampleRate: 8_000 | 16_000;
  readonly talkerIds: boolean;
  readonly emergency: boolean;
}

export interface RadioHealth {
  /** What the channel does at this moment. */
  readonly state: string;
  /** When the far side was last heard from, ms since the epoch; absent before that. */
  readonly lastHeardMs?: number;
}

/** What a radio tells the bridge. */
export interface RadioListener {
  /** Squelch opened or closed: somebody talks on the radio. Frames come only while it is open. */
  keyed(on: boolean, info: KeyInfo): void;
  /**
   * 20 ms of what is received.
   *
   * @param skipped frames lost on the way just before this one
   */
  frame(samples: Int16Array, skipped: number): void;
}

/**
 * The one face of a radio channel, whatever protocol is behind it. Methods never throw and never wait; after `close` they do
 * nothing.
 */
export interface RadioPort {
  readonly capabilities: RadioCapabilities;
  /** The group talks to the radio, or has finished. Frames before `transmit(true)` are dropped. */
  transmit(on: boolean, info?: KeyInfo): void;
  /** 20 ms to put on the air; may come unevenly, leaves evenly. */
  send(samples: Int16Array): void;
  health(): RadioHealth;
  /** Unkeys the radio and closes its sockets. Idempotent. */
  close(): void;
}
