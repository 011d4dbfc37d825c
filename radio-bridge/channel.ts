import { systemClock, type Clock } from "#common/clock.ts";
import type { GroupPolicy } from "#common/media-control.ts";
import type { Logger } from "#common/log.ts";
import type { RadioChannel, TalkGroup } from "#state/directory/provision.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import type { Rpc } from "#state/rpc/rpc.ts";
import { attach, detach, type Attachment } from "./media-link/attachment.ts";
import { MediaLink } from "./media-link/media-link.ts";
import type { Count } from "./metrics.ts";
import type { RadioPort } from "./radio-port.ts";
import { openUsrp } from "./usrp/link.ts";

export interface ChannelContext {
  readonly redis: RedisConnection;
  readonly rpc: Rpc;
  readonly log: Logger;
  readonly count: Count;
  /** Address that RTP to the media tier is sent from. */
  readonly host: string;
  readonly clock?: Clock;
}

/** A media instance that is silent for this long is tried anew, wherever the group is by then, in ms. */
const MEDIA_SILENT_MS = 5_000;
/** A lease may lapse for a moment on a busy machine: an instance is gone when it is missing twice and its audio is late too. */
const MISSED_CHECKS = 2;
const KEEPALIVE_LATE_MS = 1_500;
const RETRY_FIRST_MS = 250;
/** Low, because the start of a whole system is the usual reason. */
const RETRY_LAST_MS = 1_000;

/** One radio channel in service: the radio on one side, its talk group on the other. */
export class Channel {
  readonly settings: RadioChannel;
  readonly group: TalkGroup;
  readonly #context: ChannelContext;
  readonly #clock: Clock;
  readonly #radio: RadioPort;
  readonly #link: MediaLink;
  #attachment: Attachment | undefined;
  #attaching: Promise<void> | undefined;
  #missed = 0;
  #retryMs = RETRY_FIRST_MS;
  #cancelRetry: () => void = () => undefined;
  #closed = false;

  private constructor(
    settings: RadioChannel,
    group: TalkGroup,
    context: ChannelContext,
    radio: RadioPort,
    link: MediaLink,
  ) {
    this.settings = settings;
    this.group = group;
    this.#context = context;
    this.#clock = context.clock ?? systemClock;
    this.#radio = radio;
    this.#link = link;
    this.#attach();
  }

  /** @throws CrossbandError SETUP_FAILED when the radio's address cannot be used */
  static async open(settings: RadioChannel, group: TalkGroup, context: ChannelContext): Promise<Channel> {
    const { host, count, log } = context;
    const clock = context.clock ?? systemClock;
    const wire: { radio?: RadioPort } = {};
    const link = await MediaLink.open({
      host,
      clock,
      count,
      listener: {
        transmit: (on) => {
          wire.radio?.transmit(on);
        },
        frame: (samples) => {
          wire.radio?.send(samples);
        },
      },
    });
    try {
      const listener = {
        keyed: (open: boolean) => {
          link.squelch(open);
        },
        frame: (samples: Int16Array, skipped: number) => {
          link.send(samples, skipped);
        },
      };
      wire.radio = await openUsrp({
        listen: settings.listen,
        remote: settings.remote,
        listener,
        log,
        count,
        clock,
      });
    } catch (error) {
      link.close();
      throw error;
    }
    return new Channel(settings, group, context, wire.radio, link);
  }

  /** True once the channel is part of its group. */
  get attached(): boolean {
    return this.#attachment !== undefined;
  }

  health() {
    return { ...this.#radio.health(), attached: this.attached, refused: this.#link.muted };
  }

  /**
   * Looks whether its media instance still serves it; called about once a second.
   *
   * @param alive media instances that are alive
   */
  check(alive: ReadonlySet<string>): void {
    const { placement } = this.#attachment ?? {};
    if (!placement || this.#attaching) return;
    this.#missed = alive.has(placement.instance) ? 0 : this.#missed + 1;
    const gone = this.#missed >= MISSED_CHECKS && this.#link.silentMs >= KEEPALIVE_LATE_MS;
    const reason = gone ? "media-gone" : this.#link.silentMs >= MEDIA_SILENT_MS ? "media-silent" : undefined;
    if (reason === undefined) return;
    this.#context.count("events", reason);
    this.#context.log.warn(
      { channel: this.settings.id, media: placement.instance, reason },
      "radio channel lost its media instance",
    );
    this.#attachment = undefined;
    this.#link.detach();
    this.#attach();
  }

  /** Unkeys the radio, leaves the group, closes everything. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelRetry();
    this.#radio.close();
    this.#link.close();
    await this.#attaching;
    if (!this.#attachment) return;
    await detach(this.#context.rpc, this.settings.id, this.#attachment.placement.instance).catch(
      (error: unknown) => {
        this.#context.log.debug({ channel: this.settings.id, error: String(error) }, "radio leg not deleted");
      },
    );
  }

  #attach(): void {
    this.#attaching = this.#tryAttach().finally(() => (this.#attaching = undefined));
  }

  async #tryAttach(): Promise<void> {
    const { redis, rpc, log, host } = this.#context;
    const { id, name = id, priority } = this.settings;
    const member = { id, name, kind: "radio", priority } as const;
    try {
      const attachment = await attach({
        redis,
        rpc,
        channel: id,
        member,
        group: policyOf(this.group),
        host,
        port: this.#link.port,
      });
      this.#attachment = attachment;
      this.#retryMs = RETRY_FIRST_MS;
      if (this.#closed) return;
      this.#link.attach(attachment.media);
      log.info(
        { channel: id, group: this.group.id, media: attachment.placement.instance },
        "radio channel joined its group",
      );
    } catch (error) {
      if (this.#closed) return;
      log.warn(
        { channel: id, error: String(error), retryMs: this.#retryMs },
        "radio channel could not join its group",
      );
      this.#context.count("errors", "attach");
      this.#cancelRetry = this.#clock.after(this.#retryMs, () => {
        this.#attach();
      });
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_LAST_MS);
    }
  }
}

function policyOf({ id, name, mode, maxTalkMs, hangMs, queue, phonePtt }: TalkGroup): GroupPolicy {
  return { id, name, mode, maxTalkMs, hangMs, queue, phonePtt };
}
