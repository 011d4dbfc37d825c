import type { Clock } from "#common/clock.ts";
import type { Step as Decision } from "#common/machine.ts";
import type { Logger } from "#common/log.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { registers } from "#state/directory/trunk-schema.ts";
import { forgetDuty, listDuties, noteDuty, type Duty } from "#state/trunk/duties.ts";
import { notePeer, type PeerRegistration } from "#state/trunk/peer-status.ts";
import { formatHost } from "#signaling/edge/message/uri.ts";
import type { CallId, SipEvent, SipPort, Step } from "#signaling/sip-port/sip-port.ts";
import { dutyIdOf } from "./duty-id.ts";
import { healthResponseOf, registrationResponseOf, sendOptions, sendRegister } from "./duty-messages.ts";
import { startHealth, stepHealth, type HealthEffect, type HealthState } from "./peer-health.machine.ts";
import type { OpenTrunk, TrunkBook } from "./trunk-book.ts";
import type { TrunkMetrics } from "./trunk-metrics.ts";
import { uriAt, type Peer } from "./trunk-peer.ts";
import {
  startRegistration, stepRegistration, type Enrolment, type RegistrationEffect, type TrunkRegistration,
} from "./trunk-registration.machine.ts"; // prettier-ignore

type DutyState = TrunkRegistration | HealthState;

export interface TrunkDuties {
  /** Takes up what the directory asks for and lays down what it no longer does. Every process does so; once has it done. */
  sync(): Promise<void>;
  onEvent(event: SipEvent, step: Step): Promise<void>;
  onTimer(step: Step): Promise<void>;
}

export interface TrunkDutiesOptions {
  readonly secret: string;
  readonly domain: () => Promise<string>;
  readonly redis: RedisConnection;
  readonly clock: Pick<Clock, "now">;
  readonly log: Logger;
  readonly metrics: TrunkMetrics;
  readonly book: TrunkBook;
  readonly port: Pick<SipPort, "begin">;
}

/** A record lives this long untouched, in ms: longer than any of its timers. Its CSeq outlives it for as long. */
const TTL_MS = 3 * 24 * 3_600_000;
/** The one timer of a duty. */
const TIMER = "duty";

/** Registrations and health checks: the thin shell around their machines. */
export function createTrunkDuties(options: TrunkDutiesOptions): TrunkDuties {
  const { secret, domain, redis, clock, log, metrics, book, port } = options;

  const note = (
    state: DutyState,
    what: "health" | "registration" | "avoid",
    value: Parameters<typeof notePeer>[4],
  ) =>
    void notePeer(redis, state.trunk, state.peer, what, value).catch((error: unknown) => {
      log.warn({ trunk: state.trunk, peer: state.peer, error: String(error) }, "state of a peer not noted");
    });

  const save = (step: Step, state: DutyState): void => {
    if (state.name !== "gone") {
      step.save(state, TTL_MS);
      return;
    }
    step.save(undefined);
    step.after(() => void forgetDuty(redis, step.callId).catch(() => undefined));
  };

  const adoptRegistration = async (
    step: Step,
    before: TrunkRegistration | undefined,
    decision: Decision<TrunkRegistration, RegistrationEffect> | undefined,
  ): Promise<void> => {
    if (!decision || decision.state === before) return;
    const next = decision.state;
    save(step, next);
    for (const effect of decision.effects)
      switch (effect.do) {
        case "register": {
          const flows = await addressesOf(next);
          step.command(sendRegister(next, effect, flows[next.fails % Math.max(1, flows.length)], secret));
          break;
        }
        case "timer":
          step.timer(TIMER, effect.atMs);
          break;
        case "note":
          step.after(() => {
            note(next, "registration", effect.status);
            tell(next, effect.status);
          });
      }
  };

  const tell = ({ trunk, peer }: TrunkRegistration, status: PeerRegistration | undefined): void => {
    if (!status || status.state === "trying") return;
    metrics.answered("registration", trunk, status.state === "registered" ? "ok" : "failed");
    if (status.state === "failed") log.warn({ trunk, peer, status: status.status }, "trunk not registered");
    else log.debug({ trunk, peer }, "trunk registered");
  };

  const adoptHealth = async (
    step: Step,
    before: HealthState | undefined,
    decision: Decision<HealthState, HealthEffect> | undefined,
  ): Promise<void> => {
    if (!decision || decision.state === before) return;
    const next = decision.state;
    save(step, next);
    if (before && before.name !== next.name && next.name !== "gone")
      step.after(() => {
        log.warn({ trunk: next.trunk, peer: next.peer, state: next.name }, "peer of a trunk changed");
      });
    for (const effect of decision.effects)
      switch (effect.do) {
        case "ask":
          step.command(sendOptions(next, (await addressesOf(next))[0]));
          break;
        case "timer":
          step.timer(TIMER, effect.atMs);
          break;
        case "note":
          step.after(() => {
            note(next, "health", effect.health);
          });
          break;
        case "avoid":
          step.after(() => {
            note(next, "avoid", effect.untilMs);
          });
      }
  };

  const addressesOf = async ({ trunk, peer }: DutyState) =>
    (await book.trunks()).find((one) => one.trunk.id === trunk)?.addresses.get(peer) ?? [];

  const advance = async (step: Step, event: { type: "stop" | "timer"; atMs: number }): Promise<void> => {
    const state = await step.load<DutyState>();
    if (state?.kind === "trunk-registration")
      await adoptRegistration(step, state, stepRegistration(state, event));
    else if (state) await adoptHealth(step, state, stepHealth(state, event));
  };

  /** Takes up a duty, or tells it what has changed. */
  const start = async (step: Step, { trunk, peer }: Duty, plan: Plan): Promise<void> => {
    const atMs = clock.now();
    const base = { trunk, peer, leg: legOf(step, atMs) };
    if ("enrolment" in plan) {
      const state = await step.load<TrunkRegistration>();
      const decision = state
        ? stepRegistration(state, { type: "start", ...plan, atMs })
        : startRegistration({ ...base, ...plan }, atMs);
      await adoptRegistration(step, state, decision);
    } else {
      const state = await step.load<HealthState>();
      const decision = state
        ? stepHealth(state, { type: "start", ...plan, atMs })
        : startHealth({ ...base, ...plan }, atMs);
      await adoptHealth(step, state, decision);
    }
  };

  return {
    async sync() {
      const [open, known, own] = await Promise.all([book.refresh(), listDuties(redis), domain()]);
      const wanted = new Map(open.flatMap((trunk) => dutiesOf(trunk, secret, own)));
      for (const id of known.keys())
        if (!wanted.has(id)) {
          await port.begin(id, async (step) => {
            if (await step.load()) await advance(step, { type: "stop", atMs: clock.now() });
            else step.after(() => void forgetDuty(redis, id).catch(() => undefined));
          });
        }
      for (const [id, { duty, plan }] of wanted) {
        // It is noted before it exists: what is noted for nothing is found, what exists unnoted is not.
        if (!known.has(id)) await noteDuty(redis, id, duty);
        await port.begin(id, (step) => start(step, duty, plan));
      }
    },
    async onEvent(event, step) {
      if (event.type !== "response") return;
      const state = await step.load<DutyState>();
      const atMs = clock.now();
      if (state?.kind === "trunk-registration" && event.method === "REGISTER")
        await adoptRegistration(
          step,
          state,
          stepRegistration(state, registrationResponseOf(event, state, atMs)),
        );
      else if (state?.kind === "trunk-health" && event.method === "OPTIONS") {
        await adoptHealth(step, state, stepHealth(state, healthResponseOf(event, atMs)));
        step.after(() => {
          metrics.answered("health", state.trunk, event.local ? "failed" : "ok");
        });
      }
    },
    onTimer: (step) => advance(step, { type: "timer", atMs: clock.now() }),
  };
}

type Plan = { readonly enrolment: Enrolment } | { readonly check: HealthState["check"] };

interface Wanted {
  readonly duty: Duty;
  readonly plan: Plan;
}

/**
 * A leg of its own for each life of a duty: its Call-ID is new when the record was lost, so that a registrar which still
 * knows the old one does not take the new CSeq for an old request.
 */
const legOf = ({ callId }: Step, atMs: number): string =>
  `${callId}.${1 + (Math.floor(atMs / 1_000) % 9_999)}`;

function dutiesOf(open: OpenTrunk, secret: string, domain: string): [CallId, Wanted][] {
  const { trunk, peers } = open;
  return peers.flatMap((peer) => {
    const found: [CallId, Wanted][] = [];
    const enrolment = registers(trunk) ? enrolmentOf(open, peer) : undefined;
    if (enrolment)
      found.push([
        // Another account or another address of record is another registration: the old one is taken back.
        dutyIdOf(secret, "registration", trunk.id, peer.text, enrolment.aor, enrolment.username),
        { duty: { kind: "registration", trunk: trunk.id, peer: peer.text }, plan: { enrolment } },
      ]);
    if (trunk.optionsSeconds > 0) {
      const from = `<sip:ping@${domain}>`;
      const check = { uri: uriAt(peer), from, everyMs: trunk.optionsSeconds * 1_000 };
      found.push([
        dutyIdOf(secret, "health", trunk.id, peer.text),
        { duty: { kind: "health", trunk: trunk.id, peer: peer.text }, plan: { check } },
      ]);
    }
    return found;
  });
}

function enrolmentOf({ trunk, contactUser }: OpenTrunk, peer: Peer): Enrolment | undefined {
  const { username, password, registerSeconds: seconds } = trunk;
  if (username === undefined || password === undefined) return undefined;
  return {
    registrar: trunk.domain === undefined ? uriAt(peer) : `sip:${trunk.domain}`,
    aor: `<sip:${encodeURIComponent(username)}@${formatHost(trunk.domain ?? peer.host)}>`,
    username, password, contactUser, seconds,
  }; // prettier-ignore
}
