import { stepper, type Step, type TransitionTable } from "#common/machine.ts";
import type { Challenge } from "#signaling/calls/auth/digest-client.ts";
import type { PeerRegistration } from "#state/trunk/peer-status.ts";
import { retryDelayOf } from "./retry-delay.ts";

/** What is registered, and with whose password. */
export interface Enrolment {
  /** Request-URI of the registrar. */
  readonly registrar: string;
  /** Address of record, in From and To. */
  readonly aor: string;
  readonly username: string;
  readonly password: string;
  readonly contactUser: string;
  readonly seconds: number;
}

interface Base {
  readonly kind: "trunk-registration";
  readonly trunk: string;
  readonly peer: string;
  /** Names the Call-ID: the same for the life of this registration. */
  readonly leg: string;
  readonly enrolment: Enrolment;
  /** The last challenge, and how many requests have answered it: the next one need not be refused first. */
  readonly challenge?: Challenge;
  readonly count: number;
  /** The shortest expiry that the registrar takes. */
  readonly minSeconds: number;
  /** How long the registrar keeps our contact. */
  readonly untilMs?: number;
  /** Attempts that failed since the last success. */
  readonly fails: number;
}

/** A registration that we hold at one peer of a trunk: RFC 3261 §10.2 seen from the client. */
export type TrunkRegistration =
  /** A REGISTER is out. `answered`: refusals that it has already been changed for. `then`: what to do when it is answered. */
  | (Base & { readonly name: "registering"; readonly answered: number; readonly then?: "leave" | "again" })
  | (Base & { readonly name: "registered" })
  /** Failed; tried again when the timer says so. */
  | (Base & { readonly name: "waiting"; readonly status: number })
  /** A REGISTER that takes our contact away is out. */
  | (Base & { readonly name: "leaving"; readonly answered: number })
  | (Base & { readonly name: "gone" });

interface At {
  readonly atMs: number;
}
export type RegistrationEvent = At &
  (
    | { readonly type: "start"; readonly enrolment: Enrolment }
    | { readonly type: "stop" }
    | {
        readonly type: "response";
        readonly status: number;
        /** Seconds that our contact was given. */
        readonly granted?: number;
        readonly minSeconds?: number;
        readonly retryAfterS?: number;
        readonly challenge?: Challenge;
      }
    | { readonly type: "timer" }
  );

export type RegistrationEffect =
  | {
      readonly do: "register";
      readonly seconds: number;
      readonly challenge?: Challenge;
      /** How many requests have answered the challenge, this one included. */
      readonly count: number;
    }
  | { readonly do: "timer"; readonly atMs: number | undefined }
  | { readonly do: "note"; readonly status: PeerRegistration | undefined };

type Registering = Extract<TrunkRegistration, { name: "registering" }>;
type Leaving = Extract<TrunkRegistration, { name: "leaving" }>;
type Response = Extract<RegistrationEvent, { type: "response" }>;
type Decision = Step<TrunkRegistration, RegistrationEffect>;

/** Refusals that one REGISTER is changed and sent again for: a challenge, a stale nonce, a longer expiry. */
const MAX_ANSWERED = 4;
/** A REGISTER whose answer nobody saw: longer than its transaction, in ms. */
const LOST_MS = 40_000;
const LONGEST_SECONDS = 86_400;
const SHORTEST_SECONDS = 2;
/** Refusals that the same request will meet again: the account is wrong, and somebody has to mend it. */
const HOPELESS: ReadonlySet<number> = new Set([401, 403, 404, 405, 407]);
const HOPELESS_FAILS = 4;

const to = (state: TrunkRegistration, ...effects: RegistrationEffect[]): Decision => ({ state, effects });

/** The first REGISTER. */
export const startRegistration = (
  base: Pick<Base, "trunk" | "peer" | "leg" | "enrolment">,
  atMs: number,
): Decision => register({ ...base, kind: "trunk-registration", count: 0, minSeconds: 0, fails: 0 }, atMs, 0);

export const table = {
  registering: {
    start: (state, { enrolment }) =>
      isSame(state.enrolment, enrolment) && state.then === undefined
        ? to(state)
        : to({ ...state, enrolment, then: "again" }),
    // The REGISTER that is out may be taken: its answer is awaited, or its contact would stay.
    stop: (state) => to({ ...state, then: "leave" }),
    response: onAnswer,
    timer: (state, { atMs }) => failed(state, { type: "response", status: 408, atMs }),
  },
  registered: {
    start: renew,
    stop: (state, { atMs }) => leave(state, atMs, 0),
    timer: (state, { atMs }) => register(state, atMs, 0),
  },
  waiting: {
    start: renew,
    stop: (state, { atMs }) => ((state.untilMs ?? 0) > atMs ? leave(state, atMs, 0) : gone(state)),
    timer: (state, { atMs }) => register(state, atMs, 0),
  },
  leaving: {
    start: (state, { enrolment, atMs }) => register({ ...baseOf(state), enrolment }, atMs, 0),
    response: onLeft,
    timer: (state) => gone(state),
  },
  gone: {
    start: (state, { enrolment, atMs }) => register({ ...baseOf(state), enrolment }, atMs, 0),
  },
} satisfies TransitionTable<TrunkRegistration, RegistrationEvent, RegistrationEffect>;

export const stepRegistration = stepper<TrunkRegistration, RegistrationEvent, RegistrationEffect>(table);

const isSame = (a: Enrolment, b: Enrolment): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Registers anew when something about it has changed. */
function renew(
  state: Extract<TrunkRegistration, { name: "registered" | "waiting" }>,
  { enrolment, atMs }: Extract<RegistrationEvent, { type: "start" }>,
): Decision {
  if (isSame(state.enrolment, enrolment)) return to(state);
  const { challenge: _old, ...base } = baseOf(state);
  return register({ ...base, enrolment, minSeconds: 0, fails: 0 }, atMs, 0);
}

function register(base: Base, atMs: number, answered: number): Decision {
  const state: Registering = { ...baseOf(base), name: "registering", answered, count: base.count + 1 };
  const { challenge, untilMs } = base;
  return to(
    state,
    {
      do: "register",
      seconds: Math.max(base.enrolment.seconds, base.minSeconds),
      count: state.count,
      ...(challenge && { challenge }),
    },
    { do: "timer", atMs: atMs + LOST_MS },
    { do: "note", status: { state: "trying", ...(untilMs !== undefined && untilMs > atMs && { untilMs }) } },
  );
}

function leave(base: Base, atMs: number, answered: number): Decision {
  const { challenge } = base;
  const state: Leaving = { ...baseOf(base), name: "leaving", answered, count: base.count + 1 };
  return to(
    state,
    { do: "register", seconds: 0, count: state.count, ...(challenge && { challenge }) },
    { do: "timer", atMs: atMs + LOST_MS },
  );
}

const gone = (state: Base): Decision =>
  to({ ...baseOf(state), name: "gone" }, { do: "timer", atMs: undefined }, { do: "note", status: undefined });

function onAnswer(state: Registering, event: Response): Decision {
  const { status, atMs } = event;
  if (status < 200) return to(state);
  if (state.then === "leave") return leave(readChallenge(state, event), atMs, 0);
  if (state.then === "again") return register(readChallenge(state, event), atMs, 0);
  if (status < 300) return registered(state, event);
  const changed = changedFor(state, event);
  return changed ? register(changed, atMs, state.answered + 1) : failed(state, event);
}

function registered(state: Registering, { granted, atMs }: Response): Decision {
  const seconds = Math.max(SHORTEST_SECONDS, granted ?? state.enrolment.seconds);
  const untilMs = atMs + seconds * 1_000;
  // A quarter of the time is left for what may go wrong, a minute of a long one.
  const refreshMs = Math.max(seconds * 750, (seconds - 60) * 1_000);
  return to(
    { ...baseOf(state), name: "registered", untilMs, fails: 0 },
    { do: "timer", atMs: atMs + refreshMs },
    { do: "note", status: { state: "registered", untilMs } },
  );
}

function failed(state: Registering, { status, retryAfterS, atMs }: Response): Decision {
  const fails = HOPELESS.has(status) ? Math.max(HOPELESS_FAILS, state.fails + 1) : state.fails + 1;
  const nextMs = atMs + retryDelayOf(state.leg, fails, retryAfterS);
  const untilMs = (state.untilMs ?? 0) > atMs ? state.untilMs : undefined;
  const { challenge: _refused, ...base } = baseOf(state);
  return to(
    { ...base, name: "waiting", status, fails },
    { do: "timer", atMs: nextMs },
    { do: "note", status: { state: "failed", status, nextMs, ...(untilMs !== undefined && { untilMs }) } },
  );
}

function onLeft(state: Leaving, event: Response): Decision {
  if (event.status < 200) return to(state);
  const changed = event.status < 300 ? undefined : changedFor(state, event);
  return changed ? leave(changed, event.atMs, state.answered + 1) : gone(state);
}

const readChallenge = (state: Registering, { challenge }: Response): Base =>
  challenge ? { ...baseOf(state), challenge, count: 0 } : baseOf(state);

/** What the request is to be like for the registrar to take it; undefined when there is nothing to change (RFC 3261 §10.2.8, §22.2). */
function changedFor(
  state: Registering | Leaving,
  { status, challenge, minSeconds }: Response,
): Base | undefined {
  if (state.answered >= MAX_ANSWERED) return undefined;
  if ((status === 401 || status === 407) && challenge) {
    // The same challenge to credentials of this very attempt: the password is wrong, unless only the nonce was old.
    const fresh =
      state.challenge === undefined || challenge.stale || challenge.nonce !== state.challenge.nonce;
    const wrong = state.answered >= 2 && !challenge.stale;
    return fresh && !wrong ? { ...baseOf(state), challenge, count: 0 } : undefined;
  }
  if (
    status === 423 &&
    minSeconds !== undefined &&
    minSeconds <= LONGEST_SECONDS &&
    minSeconds > state.minSeconds
  )
    return { ...baseOf(state), minSeconds };
  return undefined;
}

/** What all states have in common. */
function baseOf(state: Base): Base {
  const { kind, trunk, peer, leg, enrolment, challenge, count, minSeconds, untilMs, fails } = state;
  return {
    kind, trunk, peer, leg, enrolment, count, minSeconds, fails,
    ...(challenge && { challenge }), ...(untilMs !== undefined && { untilMs }),
  }; // prettier-ignore
}
