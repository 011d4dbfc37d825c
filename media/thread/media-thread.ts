import type { Clock } from "#common/clock.ts";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { FloorAnswer, GroupEvent, LegAnswer, LegRequest } from "#common/media-control.ts";
import type { Logger } from "#common/log.ts";
import type { BrowserLegs, LegOpening, MediaLeg } from "#media/group/leg.ts";
import { TalkGroup, type GroupHost } from "#media/group/talk-group.ts";
import type { RtpContext } from "#media/rtp/leg-context.ts";
import { PhoneLeg } from "#media/rtp/phone-leg.ts";
import { RadioLeg } from "#media/rtp/radio-leg.ts";
import { emptyGroup, type Command, type ThreadMessage } from "./messages.ts";
import { ThreadMetrics } from "./metrics.ts";

const SECOND_MS = 1_000;

interface Entry {
  readonly leg: MediaLeg;
  readonly group: TalkGroup;
  /** The latest exchange: its revision, what kind it was, and what came of it. */
  revision: number;
  type: LegRequest["description"]["type"];
  answer: Promise<LegAnswer>;
  joined: boolean;
}

export interface ThreadParts {
  readonly rtp: Omit<RtpContext, "clock" | "log" | "count" | "jitter">;
  /** Undefined when this machine cannot connect browsers. */
  readonly browsers: (count: RtpContext["count"]) => Promise<BrowserLegs | undefined>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly tell: (message: ThreadMessage) => void;
}

/** Everything of one thread: whole talk groups, their legs and their sockets. */
export class MediaThread {
  readonly #parts: ThreadParts;
  readonly #rtp: RtpContext;
  readonly #groups = new Map<string, TalkGroup>();
  readonly #legs = new Map<string, Entry>();
  readonly #metrics: ThreadMetrics;
  readonly #browsers: Promise<BrowserLegs | undefined>;
  #cancelSecond: (() => void) | undefined;

  constructor(parts: ThreadParts) {
    this.#parts = parts;
    const { clock, log } = parts;
    this.#metrics = new ThreadMetrics({
      legs: { help: "Legs by now", read: () => this.#legs.size },
      groups: { help: "Talk groups with somebody in them", read: () => this.#groups.size },
      port_load: { help: "Share of the RTP ports in use", read: () => parts.rtp.ports.load },
    });
    const count: RtpContext["count"] = (name, reason) => {
      this.#metrics.count(name, reason);
    };
    const jitter: RtpContext["jitter"] = (ms) => {
      this.#metrics.jitter(ms);
    };
    this.#rtp = { ...parts.rtp, clock, log, count, jitter };
    this.#browsers = parts.browsers(count).catch((error: unknown) => {
      log.error({ error: String(error) }, "browsers cannot be connected");
      return undefined;
    });
  }

  /** Resolves when legs of every kind can be opened. */
  async ready(): Promise<void> {
    await this.#browsers;
  }

  async run(command: Command): Promise<unknown> {
    switch (command.do) {
      case "put-leg":
        return this.#put(command.leg, command.request);
      case "delete-leg":
        this.#remove(command.leg);
        return {};
      case "digit": {
        const entry = this.#legs.get(command.leg);
        entry?.group.digit(entry.leg, command.digit);
        return {};
      }
      case "floor":
        return this.#groups.get(command.request.group)?.console(command.request) ?? denied;
      case "snapshot":
        return this.#groups.get(command.group)?.snapshot() ?? emptyGroup(command.group);
      case "metrics":
        return this.#metrics.read();
      case "close":
        await this.#close();
        return {};
    }
  }

  /** Opens a leg or carries on its negotiation. A repeated request is answered alike, an older one is refused. */
  async #put(id: string, request: LegRequest): Promise<LegAnswer> {
    const known = this.#legs.get(id);
    if (known && known.group.id !== request.group.id) {
      this.#remove(id);
      return this.#put(id, request);
    }
    const entry = known ?? (await this.#open(id, request));
    const { revision, description } = request;
    if (revision < entry.revision)
      throw new CrossbandError(ErrorCode.RpcRefused, "a later exchange of this leg has begun", {
        leg: id,
        revision,
      });
    entry.group.policy = request.group;
    if (revision === entry.revision && description.type === entry.type) return entry.answer;
    const before = { revision: entry.revision, type: entry.type, answer: entry.answer };
    entry.revision = revision;
    entry.type = description.type;
    entry.answer = entry.leg.negotiate(description);
    try {
      const answer = await entry.answer;
      this.#join(id, entry);
      return answer;
    } catch (error) {
      // The leg is as it was; the same request may be tried again.
      Object.assign(entry, before);
      if (!entry.joined && this.#legs.get(id) === entry) this.#remove(id);
      throw error;
    }
  }

  async #open(id: string, { group: policy, member, description }: LegRequest): Promise<Entry> {
    const group = this.#groups.get(policy.id) ?? this.#createGroup(policy);
    const opening: LegOpening = { id, group: policy, member, host: group };
    let leg: MediaLeg;
    try {
      leg = await this.#makeLeg(opening, description);
    } catch (error) {
      this.#forgetIfEmpty(group);
      if (!this.#legs.has(id)) this.#parts.tell({ kind: "leg-gone", leg: id, group: group.id });
      throw error;
    }
    const meanwhile = this.#legs.get(id);
    if (meanwhile) {
      leg.close();
      return meanwhile;
    }
    const entry: Entry = {
      leg,
      group,
      revision: -1,
      type: description.type,
      answer: Promise.resolve({}),
      joined: false,
    };
    this.#legs.set(id, entry);
    return entry;
  }

  async #makeLeg(opening: LegOpening, description: LegRequest["description"]): Promise<MediaLeg> {
    if (opening.member.kind === "radio") return new RadioLeg(opening, this.#rtp);
    const browser =
      description.type === "none"
        ? description.webrtc
        : description.type === "offer" && isWebRtc(description.sdp);
    if (!browser) return new PhoneLeg(opening, this.#rtp);
    const browsers = await this.#browsers;
    if (!browsers)
      throw new CrossbandError(ErrorCode.WorkerUnavailable, "this media process cannot connect browsers");
    return browsers.open(opening);
  }

  #createGroup(policy: LegRequest["group"]): TalkGroup {
    const host: GroupHost = {
      publish: (event) => {
        this.#publish(event);
      },
      changed: (group) => {
        this.#parts.tell({ kind: "changed", snapshot: group.snapshot() });
      },
      ended: (leg, reason) => {
        this.#publish({ type: "leg-ended", group: policy.id, leg: leg.id, reason });
        this.#metrics.count("legs_ended", reason);
        this.#remove(leg.id);
      },
      count: (name, reason) => {
        this.#metrics.count(name, reason);
      },
      late: (ms) => {
        this.#metrics.late(ms);
      },
    };
    const group = new TalkGroup(policy, host, this.#parts.clock, this.#parts.log);
    this.#groups.set(policy.id, group);
    this.#cancelSecond ??= this.#armSecond();
    return group;
  }

  #join(id: string, entry: Entry): void {
    // It may have been removed while it negotiated.
    if (entry.joined || this.#legs.get(id) !== entry) return;
    entry.joined = true;
    entry.group.join(entry.leg);
  }

  #remove(id: string): void {
    const entry = this.#legs.get(id);
    if (!entry) return;
    this.#legs.delete(id);
    entry.group.leave(id);
    entry.leg.close();
    this.#parts.tell({ kind: "leg-gone", leg: id, group: entry.group.id });
    this.#forgetIfEmpty(entry.group);
  }

  #forgetIfEmpty(group: TalkGroup): void {
    const used = !group.empty || [...this.#legs.values()].some((entry) => entry.group === group);
    if (used || this.#groups.get(group.id) !== group) return;
    group.close();
    this.#groups.delete(group.id);
    this.#parts.tell({ kind: "group-gone", group: group.id });
    if (this.#groups.size > 0) return;
    this.#cancelSecond?.();
    this.#cancelSecond = undefined;
  }

  #publish(event: GroupEvent): void {
    this.#parts.tell({ kind: "event", event });
  }

  /** The one timer of a thread whose groups are silent; none at all while it has no group. */
  #armSecond(): () => void {
    return this.#parts.clock.after(SECOND_MS, () => {
      this.#cancelSecond = this.#armSecond();
      const nowMs = this.#parts.clock.now();
      for (const group of [...this.#groups.values()]) group.everySecond(nowMs);
    });
  }

  async #close(): Promise<void> {
    this.#cancelSecond?.();
    for (const group of this.#groups.values()) group.close();
    this.#groups.clear();
    this.#legs.clear();
    await (await this.#browsers)?.close();
  }
}

const denied: FloorAnswer = { outcome: "denied", seq: 0, cause: "listen-only" };

/** A browser's offer: its media lines name DTLS (RFC 5764 §8). */
const isWebRtc = (sdp: string): boolean => /^m=\S+ \d+ UDP\/TLS\//m.test(sdp);
