import { stepper, type Step, type TransitionTable } from "#common/machine.ts";
import type { PeerHealth } from "#state/trunk/peer-status.ts";
import { retryDelayOf } from "./retry-delay.ts";

/** How one peer is asked. */
export interface HealthCheck {
  /** Request-URI of the OPTIONS. */
  readonly uri: string;
  readonly from: string;
  readonly everyMs: number;
}

interface Base {
  readonly kind: "trunk-health";
  readonly trunk: string;
  readonly peer: string;
  readonly leg: string;
  readonly check: HealthCheck;
  readonly sinceMs: number;
  /** Answers, or failures, in a row that speak against the present state. */
  readonly against: number;
  /** An OPTIONS is out. */
  readonly asking: boolean;
}

/** What OPTIONS says of one peer of a trunk. One answer more or less changes nothing: only several in a row do. */
export type HealthState =
  (Base & { readonly name: "up" }) | (Base & { readonly name: "down" }) | (Base & { readonly name: "gone" });

interface At {
  readonly atMs: number;
}
export type HealthEvent = At &
  (
    | { readonly type: "start"; readonly check: HealthCheck }
    | { readonly type: "stop" }
    /** `local`: nobody answered. */
    | {
        readonly type: "response";
        readonly status: number;
        readonly local: boolean;
        readonly retryAfterS?: number;
      }
    | { readonly type: "timer" }
  );

export type HealthEffect =
  | { readonly do: "ask" }
  | { readonly do: "timer"; readonly atMs: number | undefined }
  | { readonly do: "note"; readonly health: PeerHealth | undefined }
  /** The peer asked to be left alone until then. */
  | { readonly do: "avoid"; readonly untilMs: number };

/** Failures in a row that make a peer down, answers in a row that make it up again. */
const DOWN_AFTER = 2;
const UP_AFTER = 2;
/** While in doubt a peer is asked this often, in ms. */
const DOUBT_MS = 5_000;
/** An OPTIONS whose answer nobody saw, in ms. */
const LOST_MS = 40_000;
/** The peer is there but not fit to take calls. Any other answer, a refusal too, is a sign of life. */
const UNFIT: ReadonlySet<number> = new Set([408, 500, 502, 503, 504]);

type Decision = Step<HealthState, HealthEffect>;
type Live = Extract<HealthState, { name: "up" | "down" }>;

const to = (state: HealthState, ...effects: HealthEffect[]): Decision => ({ state, effects });

/** A new peer counts as up until it is found not to be. */
export function startHealth(base: Pick<Base, "trunk" | "peer" | "leg" | "check">, atMs: number): Decision {
  const state: HealthState = {
    ...base,
    kind: "trunk-health",
    name: "up",
    sinceMs: atMs,
    against: 0,
    asking: true,
  };
  return to(state, { do: "ask" }, lost(atMs), note(state));
}

const lost = (atMs: number): HealthEffect => ({ do: "timer", atMs: atMs + LOST_MS });
const note = ({ name, sinceMs }: Live): HealthEffect => ({ do: "note", health: { state: name, sinceMs } });

const live = {
  start: (state: Live, { check }: Extract<HealthEvent, { type: "start" }>): Decision =>
    JSON.stringify(check) === JSON.stringify(state.check) ? to(state) : to({ ...state, check }),
  stop: (state: Live): Decision =>
    to({ ...state, name: "gone" }, { do: "timer", atMs: undefined }, { do: "note", health: undefined }),
  response: onAnswer,
  timer: (state: Live, { atMs }: At): Decision =>
    state.asking
      ? onAnswer(state, { type: "response", status: 408, local: true, atMs })
      : to({ ...state, asking: true }, { do: "ask" }, lost(atMs)),
};

export const table = {
  up: live,
  down: live,
  gone: {
    start: (state, { check, atMs }) => startHealth({ ...state, check }, atMs),
  },
} satisfies {
  [S in HealthState["name"]]: TransitionTable<HealthState, HealthEvent, HealthEffect>[S];
};

export const stepHealth = stepper<HealthState, HealthEvent, HealthEffect>(table);

function onAnswer(
  state: Live,
  { status, local, retryAfterS, atMs }: Extract<HealthEvent, { type: "response" }>,
): Decision {
  if (!state.asking || status < 200) return to(state);
  const healthy = !local && !UNFIT.has(status);
  const against = healthy === (state.name === "up") ? 0 : state.against + 1;
  const turns = against >= (healthy ? UP_AFTER : DOWN_AFTER);
  const next: Live = turns
    ? { ...state, name: healthy ? "up" : "down", sinceMs: atMs, against: 0, asking: false }
    : { ...state, against, asking: false };
  const asked =
    status === 503 && retryAfterS !== undefined ? atMs + retryDelayOf(state.leg, 1, retryAfterS) : undefined;
  const soon = next.against > 0 ? Math.min(DOUBT_MS, state.check.everyMs) : state.check.everyMs;
  const effects: HealthEffect[] = [{ do: "timer", atMs: Math.max(atMs + soon, asked ?? 0) }];
  effects.push(note(next));
  if (asked !== undefined) effects.push({ do: "avoid", untilMs: asked });
  return to(next, ...effects);
}
