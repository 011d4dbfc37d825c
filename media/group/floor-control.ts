import type { Clock } from "#common/clock.ts";
import type {
  FloorAnswer,
  FloorRequest,
  FloorState,
  GroupEvent,
  GroupPolicy,
  Member,
} from "#common/media-control.ts";
import type { Logger } from "#common/log.ts";
import {
  floorOf,
  idle,
  type Claim,
  type Effect,
  type Event,
  type State,
  type Timer,
} from "#media/floor/floor.machine.ts";

/** What the floor's decisions do to the group. */
export interface FloorOutcomes {
  granted(leg: string): void;
  refused(leg: string): void;
  /** The grant was taken away before its talker was done. */
  cut(leg: string): void;
  /** The wish to talk is over. */
  rested(leg: string): void;
  publish(event: GroupEvent): void;
  count(name: string, reason?: string): void;
}

/** Runs the floor machine of one group: its timers, its consequences, its answers. */
export class FloorControl {
  readonly #outcomes: FloorOutcomes;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #timers = new Map<Timer, () => void>();
  #policy: GroupPolicy;
  #step: ReturnType<typeof floorOf>;
  #state: State;

  constructor(policy: GroupPolicy, outcomes: FloorOutcomes, clock: Clock, log: Logger) {
    this.#policy = policy;
    this.#outcomes = outcomes;
    this.#clock = clock;
    this.#log = log;
    this.#step = floorOf(policy);
    // Wherever the group was before, its sequence was lower: it grows by less than one a millisecond.
    this.#state = { ...idle, seq: Math.floor(clock.now()) };
  }

  set policy(policy: GroupPolicy) {
    this.#policy = policy;
    this.#step = floorOf(policy);
  }

  get holder(): string | undefined {
    return this.#state.name === "taken" ? this.#state.holder.leg : undefined;
  }

  get state(): FloorState {
    if (this.#state.name === "idle") return { state: "idle", seq: this.#state.seq };
    const { seq, holder, sinceMs } = this.#state;
    const hold = holder.hold === undefined ? {} : { hold: holder.hold };
    return {
      state: "taken",
      seq,
      leg: holder.leg,
      holder: holder.member,
      sinceMs: Math.floor(sinceMs),
      ...hold,
    };
  }

  /** A phone's or a radio's wish. */
  request(leg: string, member: Member, byVoice: boolean): void {
    this.#apply({ type: "request", leg, member, byVoice, nowMs: this.#clock.now() });
  }

  release(leg: string): void {
    this.#apply({ type: "release", leg, nowMs: this.#clock.now() });
  }

  leave(leg: string): void {
    this.#apply({ type: "leave", leg, nowMs: this.#clock.now() });
  }

  /** A console's press, its renewal, its end. */
  console({ leg, hold, action }: FloorRequest, member: Member): FloorAnswer {
    const nowMs = this.#clock.now();
    switch (action) {
      case "request":
        return this.#answer(this.#apply({ type: "request", leg, member, hold, byVoice: false, nowMs }));
      case "renew":
        this.#apply({ type: "renew", leg, hold, nowMs });
        return this.#standing(leg, hold);
      case "release":
        this.#apply({ type: "release", leg, hold, nowMs });
        return { outcome: "released", seq: this.#state.seq };
    }
  }

  close(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  #apply(event: Event): readonly Effect[] {
    const from = this.#state.name;
    const step = this.#step(this.#state, event);
    if (!step) return [];
    this.#state = step.state;
    this.#log.debug({ from, event: event.type, to: step.state.name, seq: step.state.seq }, "floor");
    for (const effect of step.effects) this.#run(effect);
    return step.effects;
  }

  #run(effect: Effect): void {
    switch (effect.do) {
      case "grant":
        this.#outcomes.count("floor_grants", effect.claim.member.kind);
        this.#outcomes.granted(effect.claim.leg);
        if (effect.queued) this.#tell(effect.claim, "granted");
        return;
      case "queue":
        return;
      case "deny":
        this.#outcomes.count("floor_denials", effect.cause);
        this.#outcomes.refused(effect.claim.leg);
        return;
      case "revoke":
        this.#outcomes.count("floor_revocations", effect.cause);
        this.#outcomes.cut(effect.claim.leg);
        this.#tell(effect.claim, effect.cause === "preempted" ? "revoked" : effect.cause, effect.by);
        return;
      case "rest":
        this.#outcomes.rested(effect.leg);
        return;
      case "warn":
        this.#tell(effect.claim, "limit-near");
        return;
      case "arm":
        this.#arm(effect.timer, effect.ms);
        return;
      case "disarm":
        this.#disarm(effect.timer);
        return;
      case "publish":
        this.#outcomes.publish({ type: "floor", group: this.#policy.id, floor: this.state });
        return;
    }
  }

  #arm(timer: Timer, ms: number): void {
    this.#disarm(timer);
    const cancel = this.#clock.after(ms, () => {
      this.#timers.delete(timer);
      this.#apply({ type: "timer", timer, nowMs: this.#clock.now() });
    });
    this.#timers.set(timer, cancel);
  }

  #disarm(timer: Timer): void {
    this.#timers.get(timer)?.();
    this.#timers.delete(timer);
  }

  /** To the console whose press it was; phones and radios are told by ear and by their radio's lamp. */
  #tell(
    { leg, hold }: Claim,
    result: Extract<GroupEvent, { type: "floor-result" }>["result"],
    by?: Member,
  ): void {
    if (hold === undefined) return;
    const event = {
      type: "floor-result",
      group: this.#policy.id,
      leg,
      hold,
      result,
      seq: this.#state.seq,
    } as const;
    this.#outcomes.publish(by ? { ...event, by } : event);
  }

  #answer(effects: readonly Effect[]): FloorAnswer {
    const { seq } = this.#state;
    for (const effect of effects) {
      if (effect.do === "grant") return { outcome: "granted", seq, untilMs: this.#untilMs() };
      if (effect.do === "queue")
        return { outcome: "queued", seq, position: effect.position, holder: effect.holder };
      if (effect.do === "deny")
        return {
          outcome: "denied",
          seq,
          cause: effect.cause,
          ...(effect.holder ? { holder: effect.holder } : {}),
        };
    }
    return { outcome: "released", seq };
  }

  /** What became of a press by now. */
  #standing(leg: string, hold: string): FloorAnswer {
    const { seq } = this.#state;
    const mine = (claim: { leg: string; hold?: string }) => claim.leg === leg && claim.hold === hold;
    if (this.#state.name === "taken") {
      if (mine(this.#state.holder)) return { outcome: "granted", seq, untilMs: this.#untilMs() };
      const position = this.#state.queue.findIndex(mine) + 1;
      if (position > 0) return { outcome: "queued", seq, position, holder: this.#state.holder.member };
    }
    const refused = this.#state.refused.find(mine);
    if (refused) return { outcome: "denied", seq, cause: refused.cause };
    return { outcome: "released", seq };
  }

  /** When the talk limit ends the turn, ms since the epoch; the lease may end it before. */
  #untilMs(): number {
    return Math.floor(this.#state.name === "taken" ? this.#state.sinceMs + this.#policy.maxTalkMs : 0);
  }
}
