import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { systemClock, type Clock } from "#common/clock.ts";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Logger } from "#common/log.ts";
import { resolveAddress, splitAddress, type Address } from "../address.ts";
import { startBeat } from "../beat.ts";
import type { Count } from "../metrics.ts";
import {
  FRAME_MS,
  FRAME_SAMPLES,
  type KeyInfo,
  type RadioCapabilities,
  type RadioHealth,
  type RadioListener,
  type RadioPort,
} from "../radio-port.ts";
import { TransmitQueue } from "../transmit-queue.ts";
import { sequenceStep } from "./sequence.ts";
import {
  QUIET_MS,
  SETTLE_MS,
  stepSession,
  type SessionEffect,
  type SessionEvent,
  type SessionState,
  type SessionTimer,
} from "./session.machine.ts";
import { Timers } from "./timers.ts";
import { decodeUsrp, encodeUnkey, encodeVoice } from "./wire.codec.ts";

export interface UsrpOptions {
  /** `host:port` where the far side sends to. */
  readonly listen: string;
  /** `host:port` of the far side; frames from elsewhere are dropped. */
  readonly remote: string;
  readonly listener: RadioListener;
  readonly log: Logger;
  readonly count: Count;
  readonly clock?: Clock;
  /** Longest transmission in either direction before the channel is unkeyed, in ms. */
  readonly limitMs?: number;
}

/** Time-out timer: conversations end long before, stuck keys do not. */
const LIMIT_MS = 180_000;
const silence = new Int16Array(FRAME_SAMPLES);

const capabilities: RadioCapabilities = {
  duplex: "half",
  sampleRate: 8_000,
  talkerIds: true,
  emergency: false,
};

/**
 * Opens a USRP channel.
 *
 * @throws CrossbandError SETUP_FAILED when its address cannot be listened on, or it would talk to itself
 */
export async function openUsrp(options: UsrpOptions): Promise<RadioPort> {
  const local = splitAddress(options.listen);
  try {
    const remote = await resolveAddress(options.remote);
    const own = await resolveAddress(options.listen);
    if (own.host === remote.host && own.port === remote.port)
      throw new Error("it listens where it sends: it would hear itself");
    const socket = createSocket({ type: local.host.includes(":") ? "udp6" : "udp4" });
    socket.bind(local.port, local.host);
    await once(socket, "listening");
    return new UsrpPort(socket, remote, options);
  } catch (cause) {
    throw new CrossbandError(
      ErrorCode.SetupFailed,
      `cannot open the radio channel at ${options.listen}: ${String(cause)}`,
      {},
      { cause },
    );
  }
}

class UsrpPort implements RadioPort {
  readonly capabilities = capabilities;
  readonly #socket: Socket;
  readonly #remote: Address;
  readonly #options: UsrpOptions;
  readonly #clock: Clock;
  readonly #timers: Timers<SessionTimer>;
  readonly #queue = new TransmitQueue();
  #state: SessionState = { name: "idle" };
  #sendSequence = 0;
  #receiveSequence: number | undefined;
  #info: KeyInfo = {};
  #lastHeardMs: number | undefined;
  #stopBeat: (() => void) | undefined;
  /** The group has finished, but frames of it still wait. */
  #releasing = false;
  #closed = false;

  constructor(socket: Socket, remote: Address, options: UsrpOptions) {
    this.#socket = socket;
    this.#remote = remote;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#timers = new Timers(this.#clock, (timer) => {
      this.#step({ type: timer === "settle" ? "settled" : timer });
    });
    socket.on("message", (datagram, from) => {
      this.#receive(datagram, from);
    });
    // An ICMP refusal while the far side is down; its silence says the same.
    socket.on("error", () => {
      options.count("errors", "socket");
    });
  }

  transmit(on: boolean): void {
    if (this.#closed) return;
    if (on) {
      this.#releasing = false;
      this.#step({ type: "transmit" });
    } else if (this.#stopBeat && this.#queue.length > 0) this.#releasing = true;
    else this.#step({ type: "release" });
  }

  send(samples: Int16Array): void {
    if (this.#stopBeat) this.#queue.put(samples);
  }

  health(): RadioHealth {
    return {
      state: this.#state.name,
      ...(this.#lastHeardMs !== undefined && { lastHeardMs: this.#lastHeardMs }),
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timers.close();
    this.#socket.removeAllListeners("message");
    const keyed = this.#stopBeat !== undefined;
    this.#endBeat();
    if (!keyed) this.#socket.close();
    // Fail-safe: the radio must not stay keyed because we left.
    else
      this.#socket.send(encodeUnkey(this.#nextSequence()), this.#remote.port, this.#remote.host, () =>
        this.#socket.close(),
      );
  }

  #receive(datagram: Buffer, from: RemoteInfo): void {
    const { count } = this.#options;
    if (from.address !== this.#remote.host || from.port !== this.#remote.port) {
      count("dropped", "foreign-source");
      return;
    }
    const decoded = decodeUsrp(datagram);
    if (decoded.kind === "malformed") {
      count("dropped", `malformed-${decoded.reason}`);
      return;
    }
    this.#lastHeardMs = this.#clock.now();
    const step = sequenceStep(this.#receiveSequence, decoded.sequence);
    if (step.outcome === "stale") {
      count("dropped", "stale");
      return;
    }
    this.#receiveSequence = decoded.sequence;
    if (step.skipped > 0) count("lost");
    switch (decoded.kind) {
      case "voice":
        this.#step({ type: "voice" }, { samples: decoded.samples, skipped: step.skipped });
        return;
      case "unkey":
        this.#step({ type: "unkey" });
        this.#info = {};
        return;
      case "info":
        this.#info = decoded.info;
        return;
      case "other":
        count("ignored");
    }
  }

  #step(event: SessionEvent, frame?: { samples: Int16Array; skipped: number }): void {
    if (this.#closed) return;
    const step = stepSession(this.#state, event);
    if (!step) return;
    if (step.state.name !== this.#state.name)
      this.#options.log.debug(
        { from: this.#state.name, event: event.type, to: step.state.name },
        "radio session step",
      );
    this.#state = step.state;
    for (const effect of step.effects) this.#carryOut(effect, frame);
  }

  #carryOut(effect: SessionEffect, frame?: { samples: Int16Array; skipped: number }): void {
    switch (effect.do) {
      case "squelch":
        this.#options.listener.keyed(effect.open, this.#info);
        return;
      case "pass":
        if (frame) this.#options.listener.frame(frame.samples, frame.skipped);
        this.#options.count("frames", "received");
        return;
      case "key":
        if (effect.on)
          this.#stopBeat ??= startBeat(this.#clock, FRAME_MS, () => {
            this.#sendFrame();
          });
        else this.#unkey();
        return;
      case "arm":
        this.#timers.arm(effect.timer, this.#msOf(effect.timer));
        return;
      case "disarm":
        this.#timers.disarm(effect.timer);
        return;
      case "count":
        this.#options.count("events", effect.what);
    }
  }

  #sendFrame(): void {
    if (this.#releasing && this.#queue.length === 0) {
      this.#releasing = false;
      this.#step({ type: "release" });
      return;
    }
    // The far side unkeys when frames stay away, so a gap in the group's audio is sent as silence.
    this.#write(encodeVoice(this.#nextSequence(), this.#queue.take(this.#releasing) ?? silence));
    this.#options.count("frames", "sent");
  }

  #unkey(): void {
    if (!this.#stopBeat) return;
    this.#endBeat();
    this.#write(encodeUnkey(this.#nextSequence()));
  }

  #endBeat(): void {
    this.#stopBeat?.();
    this.#stopBeat = undefined;
    this.#releasing = false;
    this.#queue.clear();
  }

  #write(datagram: Uint8Array): void {
    this.#socket.send(datagram, this.#remote.port, this.#remote.host);
  }

  #nextSequence(): number {
    const sequence = this.#sendSequence;
    // 0 means that we restarted.
    this.#sendSequence = sequence === 0xffff_ffff ? 1 : sequence + 1;
    return sequence;
  }

  #msOf(timer: SessionTimer): number {
    switch (timer) {
      case "quiet":
        return QUIET_MS;
      case "settle":
        return SETTLE_MS;
      case "limit":
        return this.#options.limitMs ?? LIMIT_MS;
    }
  }
}
