import type { ConsoleMessage } from "#common/console-events.ts";
import type { Sound } from "../audio/cues.ts";
import { idlePtt, stepPtt, type PttEvent, type PttState, type ReleaseReason } from "../model/ptt.machine.ts";
import { refusalText } from "../model/refusal-text.ts";
import { stepTalk, type TalkEffect, type TalkEvent } from "../model/talk.machine.ts";
import type { GroupCall } from "../transport/phone.ts";
import { texts } from "../texts.ts";
import type { ConsoleStore } from "./console-store.ts";

export interface TalkPorts {
  readonly store: ConsoleStore;
  readonly callOf: (group: string) => GroupCall | undefined;
  /** False when there is no connection. */
  readonly send: (message: ConsoleMessage) => boolean;
  readonly play: (sound: Sound) => void;
  readonly hush: () => void;
  readonly newHold: () => string;
  readonly now: () => number;
}

export interface TalkControl {
  /** Steps press-to-talk. True when the browser must not act on the input too. */
  readonly dispatch: (event: PttEvent) => boolean;
  /** Steps the talk of one group. */
  readonly step: (group: string, event: TalkEvent) => void;
  /** Each second: renews what is held. */
  readonly tick: () => void;
  /** The event socket is gone: nothing that is held can be kept. */
  readonly linkLost: () => void;
  /** Keys used to talk. */
  readonly applyMicrophone: (group: string) => void;
}

/** F8, and F13 for pedals that type a key. Neither types anything, so both work inside text fields. */
const TALK_KEYS = ["F8", "F13"];

/** Carries out what the two machines decide: microphones, floor requests, cues and words. */
export function createTalkControl(ports: TalkPorts): TalkControl {
  const { store, callOf, send, play, hush, newHold, now } = ports;
  let ptt: PttState = idlePtt;

  const applyMicrophone = (group: string): void => {
    const state = store.group(group);
    if (!state) return;
    const open =
      state.card.mode === "full-duplex"
        ? !state.microphoneMuted || state.keyed
        : state.talk.name === "granted";
    callOf(group)?.openMicrophone(open);
  };

  const run = (group: string, effect: TalkEffect): void => {
    switch (effect.do) {
      case "microphone":
        callOf(group)?.openMicrophone(effect.open);
        return;
      case "send": {
        const call = store.group(group)?.call;
        const leg = call?.name === "in" ? call.leg : undefined;
        const { action, hold } = effect;
        if (leg !== undefined) send({ type: "floor", group, leg, hold, action });
        return;
      }
      case "cue":
        play(effect.cue);
        return;
      case "hush":
        hush();
        return;
    }
  };

  const step = (group: string, event: TalkEvent): void => {
    const before = store.group(group);
    if (!before) return;
    const result = stepTalk(before.talk, event);
    if (!result) return;
    // The microphone first, the screen after it: closing must wait for nothing.
    for (const effect of result.effects) run(group, effect);
    if (result.state === before.talk) return;
    store.updateGroup(group, (state) => ({ ...state, talk: result.state }));
    if (result.state.name !== before.talk.name) say(group);
  };

  const say = (group: string): void => {
    const state = store.group(group);
    if (!state) return;
    const refused = refusalText(state.card, state.talk);
    if (refused !== undefined) store.speak("assertive", refused);
    else if (state.talk.name === "granted") store.speak("assertive", texts.spoken.onAir);
    else if (state.talk.name === "queued")
      store.speak("polite", texts.spoken.queued(state.card.name, state.talk.position));
  };

  const key = (group: string): void => {
    const state = store.group(group);
    if (!state) return;
    // Answering a muted group un-mutes it: one hears what one answers.
    store.updateGroup(group, (old) => ({ ...old, keyed: true, muted: false, missed: 0 }));
    if (state.card.mode === "full-duplex") {
      applyMicrophone(group);
      return;
    }
    const hold = newHold();
    step(group, { type: "press", hold, nowMs: now() });
    if (state.call.name !== "in")
      step(group, { type: "answer", hold, answer: { outcome: "failed", cause: "not-joined" }, nowMs: now() });
    else if (store.getState().link.name !== "live") step(group, { type: "link-lost" });
  };

  const unkey = (group: string, reason: ReleaseReason): void => {
    const state = store.group(group);
    if (!state) return;
    const wasOnAir = state.talk.name === "granted";
    step(group, { type: "release" });
    store.updateGroup(group, (old) => ({ ...old, keyed: false }));
    if (state.card.mode === "full-duplex") applyMicrophone(group);
    const { released } = texts.refusal;
    if (wasOnAir && reason in released) store.notify("note", released[reason as keyof typeof released]);
  };

  return {
    dispatch(event) {
      const { settings } = store.getState();
      const { state, effects } = stepPtt(ptt, event, { keys: TALK_KEYS, space: settings.space });
      ptt = state;
      let swallow = false;
      for (const effect of effects)
        switch (effect.do) {
          case "swallow":
            swallow = true;
            break;
          case "key":
            key(effect.group);
            break;
          case "unkey":
            unkey(effect.group, effect.reason);
            break;
          case "nothing-selected":
            store.speak("assertive", texts.refusal.nothingSelected);
            store.notify("note", texts.refusal.nothingSelected);
            break;
        }
      return swallow;
    },
    step,
    tick() {
      for (const id of store.getState().order) step(id, { type: "tick", nowMs: now() });
    },
    linkLost() {
      for (const id of store.getState().order) step(id, { type: "link-lost" });
    },
    applyMicrophone,
  };
}
