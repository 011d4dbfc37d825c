import type { ConsoleFloorAnswer } from "#common/console-events.ts";
import { stepper, type Step, type TransitionTable } from "#common/machine.ts";
import type { Member } from "#common/media-control.ts";

/** How long a grant lasts without a renewal; the server's own limit, kept here too. */
export const LEASE_MS = 3_000;
/** A request that nobody answers is refused after this long. */
export const ANSWER_MS = 2_500;

/** One press on one half-duplex group, from asking to release. The microphone is open in `granted` and nowhere else. */
export type TalkState =
  | { readonly name: "idle" }
  | { readonly name: "asking"; readonly hold: string; readonly sinceMs: number }
  | { readonly name: "queued"; readonly hold: string; readonly position: number; readonly holder?: Member }
  | {
      readonly name: "granted";
      readonly hold: string;
      readonly sinceMs: number;
      readonly renewedMs: number;
      readonly limitNear: boolean;
    }
  /** Still held, but not ours: nothing more happens until the press ends. */
  | {
      readonly name: "refused";
      readonly hold: string;
      readonly cause: RefusalCause;
      readonly holder?: Member;
    }
  | { readonly name: "cut"; readonly hold: string; readonly cause: CutCause; readonly by?: Member };

export type RefusalCause =
  "busy" | "listen-only" | "limit" | "not-joined" | "no-media" | "no-answer" | "no-link" | "too-many-holds";
export type CutCause = "revoked" | "limit" | "expired" | "no-link";

export type TalkEvent =
  | { readonly type: "press"; readonly hold: string; readonly nowMs: number }
  | { readonly type: "release" }
  | {
      readonly type: "answer";
      readonly hold: string;
      readonly answer: ConsoleFloorAnswer;
      readonly nowMs: number;
    }
  | {
      readonly type: "result";
      readonly hold: string;
      readonly result: "granted" | "revoked" | "expired" | "limit" | "limit-near";
      readonly by?: Member;
      readonly nowMs: number;
    }
  | { readonly type: "tick"; readonly nowMs: number }
  | { readonly type: "link-lost" };

export type Cue = "permit" | "queued" | "busy" | "cut" | "limit";

export type TalkEffect =
  | { readonly do: "send"; readonly action: "request" | "renew" | "release"; readonly hold: string }
  | { readonly do: "microphone"; readonly open: boolean }
  | { readonly do: "cue"; readonly cue: Cue }
  /** Ends a cue that lasts as long as the button is held. */
  | { readonly do: "hush" };

const to = (state: TalkState, ...effects: TalkEffect[]): Step<TalkState, TalkEffect> => ({ state, effects });
const idle: TalkState = { name: "idle" };
const open: TalkEffect = { do: "microphone", open: true };
/** First of all effects wherever it stands: the microphone closes before anything is told. */
const shut: TalkEffect = { do: "microphone", open: false };
const cue = (name: Cue): TalkEffect => ({ do: "cue", cue: name });
const send = (action: "request" | "renew" | "release", hold: string): TalkEffect => ({
  do: "send",
  action,
  hold,
});

type Held = Exclude<TalkState, { name: "idle" }>;
type AnswerEvent = Extract<TalkEvent, { type: "answer" }>;
type ResultEvent = Extract<TalkEvent, { type: "result" }>;

const granted = (hold: string, nowMs: number): TalkState => ({
  name: "granted",
  hold,
  sinceMs: nowMs,
  renewedMs: nowMs,
  limitNear: false,
});
const refused = (hold: string, cause: RefusalCause, holder?: Member): Step<TalkState, TalkEffect> =>
  to({ name: "refused", hold, cause, ...(holder && { holder }) }, cue("busy"));
const cut = (hold: string, cause: CutCause, by?: Member): Step<TalkState, TalkEffect> =>
  to({ name: "cut", hold, cause, ...(by && { by }) }, shut, cue(cause === "limit" ? "limit" : "cut"));

/** An answer to a press that ended: a grant that nobody wants goes back at once. */
const late = (state: TalkState, { hold, answer }: AnswerEvent): Step<TalkState, TalkEffect> =>
  answer.outcome === "granted" || answer.outcome === "queued" ? to(state, send("release", hold)) : to(state);
const lateResult = (state: TalkState, { hold, result }: ResultEvent): Step<TalkState, TalkEffect> =>
  result === "granted" ? to(state, send("release", hold)) : to(state);

/** While waiting: asked, or in the queue. */
const waiting = {
  release: (state: Extract<TalkState, { hold: string }>) => to(idle, send("release", state.hold)),
  answer: (state: Extract<TalkState, { name: "asking" | "queued" }>, event: AnswerEvent) => {
    if (event.hold !== state.hold) return late(state, event);
    const { answer, nowMs } = event;
    switch (answer.outcome) {
      case "granted":
        return to(granted(state.hold, nowMs), open, cue("permit"));
      case "queued": {
        const next: TalkState = {
          name: "queued",
          hold: state.hold,
          position: answer.position,
          holder: answer.holder,
        };
        return state.name === "asking" ? to(next, cue("queued")) : to(next);
      }
      case "denied":
        return refused(state.hold, answer.cause, answer.holder);
      case "failed":
        return refused(state.hold, answer.cause);
      case "released":
        return refused(state.hold, "no-media");
    }
  },
  result: (state: Extract<TalkState, { name: "asking" | "queued" }>, event: ResultEvent) => {
    if (event.hold !== state.hold) return lateResult(state, event);
    if (event.result === "granted") return to(granted(state.hold, event.nowMs), open, cue("permit"));
    return event.result === "limit-near"
      ? to(state)
      : refused(state.hold, event.result === "limit" ? "limit" : "busy", event.by);
  },
  "link-lost": (state: Held) => refused(state.hold, "no-link"),
};

/** Over, but the button is still down: only its release counts. */
const over = {
  release: () => to(idle, { do: "hush" }),
  answer: (state: Held, event: AnswerEvent) => late(state, event),
  result: (state: Held, event: ResultEvent) => lateResult(state, event),
};

export const table = {
  idle: {
    press: (_state, { hold, nowMs }) => to({ name: "asking", hold, sinceMs: nowMs }, send("request", hold)),
    answer: late,
    result: lateResult,
  },
  asking: {
    ...waiting,
    tick: (state, { nowMs }) => {
      if (nowMs - state.sinceMs < ANSWER_MS) return to(state);
      const { state: next, effects } = refused(state.hold, "no-answer");
      return to(next, send("release", state.hold), ...effects);
    },
  },
  queued: { ...waiting, tick: (state) => to(state, send("renew", state.hold)) },
  granted: {
    release: (state) => to(idle, shut, send("release", state.hold)),
    answer: (state, event) => {
      if (event.hold !== state.hold) return late(state, event);
      const { answer, nowMs } = event;
      switch (answer.outcome) {
        case "granted":
          return to({ ...state, renewedMs: nowMs });
        case "queued":
          return to(
            { name: "queued", hold: state.hold, position: answer.position, holder: answer.holder },
            shut,
            cue("cut"),
          );
        case "denied":
          return cut(state.hold, answer.cause === "limit" ? "limit" : "revoked", answer.holder);
        case "released":
          return cut(state.hold, "expired");
        case "failed":
          // One renewal that did not get through is not the end: the lease says when it is.
          return answer.cause === "not-joined" ? cut(state.hold, "expired") : to(state);
      }
    },
    result: (state, event) => {
      if (event.hold !== state.hold) return lateResult(state, event);
      if (event.result === "granted") return to({ ...state, renewedMs: event.nowMs });
      if (event.result === "limit-near") return to({ ...state, limitNear: true }, cue("limit"));
      return cut(state.hold, event.result, event.by);
    },
    tick: (state, { nowMs }) =>
      nowMs - state.renewedMs > LEASE_MS ? cut(state.hold, "no-link") : to(state, send("renew", state.hold)),
    "link-lost": (state) => cut(state.hold, "no-link"),
  },
  refused: over,
  cut: over,
} satisfies TransitionTable<TalkState, TalkEvent, TalkEffect>;

export const stepTalk = stepper<TalkState, TalkEvent, TalkEffect>(table);
export const idleTalk: TalkState = idle;
