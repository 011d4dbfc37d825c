import type { ServerMessage } from "#common/console-events.ts";
import type { GroupEvent } from "#common/media-control.ts";
import { withSnapshot, type GroupState } from "../model/console.state.ts";
import { talkersOf, withEvent } from "../model/group-events.ts";
import { withTalk } from "../model/talk-log.ts";
import { texts } from "../texts.ts";
import type { ConsoleStore } from "./console-store.ts";
import type { TalkControl } from "./talk-control.ts";

export interface EventControl {
  readonly receive: (message: ServerMessage) => void;
  /** A call was joined: what was heard of its leg before counts now. */
  readonly joined: (group: string) => void;
  readonly close: () => void;
}

/** Events are drawn together this often at most: sixty busy strips must not redraw one by one. In ms. */
const BATCH_MS = 100;
/** Legs whose video line-up is remembered until we know that the leg is ours. */
const LINE_UPS = 64;

type VideoEvent = Extract<GroupEvent, { type: "video" }>;

/** Takes what the event socket brings into the store. */
export function createEventControl(store: ConsoleStore, talk: TalkControl, now: () => number): EventControl {
  const waiting: GroupEvent[] = [];
  const lineUps = new Map<string, VideoEvent>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const change = (id: string, next: (group: GroupState) => GroupState): void => {
    const before = store.group(id);
    if (!before) return;
    const after = next(before);
    if (after === before) return;
    store.updateGroup(id, () => after);
    store.setState(({ log }) => ({ log: withTalk(log, before, after, now()) }));
    announce(before, after);
  };

  /** Speaks who talks, on selected groups only: live regions flood easily. */
  const announce = (before: GroupState, after: GroupState): void => {
    const { settings, selected } = store.getState();
    if (!settings.announce || after.muted || !selected.includes(after.card.id)) return;
    const was = talkersOf(before);
    const begun = talkersOf(after).filter(({ leg }) => !was.some((talker) => talker.leg === leg));
    if (begun.length === 0 || after.talk.name === "granted") return;
    store.speak("polite", texts.spoken.talker(after.card.name, begun.map(({ name }) => name).join(", ")));
  };

  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    for (const event of waiting.splice(0)) change(event.group, (group) => withEvent(group, event, now()));
  };

  const receiveEvent = (event: GroupEvent): void => {
    const group = store.group(event.group);
    const ours = group?.call.name === "in" ? group.call.leg : undefined;
    if (event.type === "floor-result") {
      if (event.leg !== ours) return;
      flush();
      const { hold, result, by } = event;
      talk.step(event.group, { type: "result", hold, result, nowMs: now(), ...(by && { by }) });
      return;
    }
    if (event.type === "video") {
      lineUps.set(event.leg, event);
      const oldest = lineUps.keys().next();
      if (lineUps.size > LINE_UPS && !oldest.done) lineUps.delete(oldest.value);
    }
    waiting.push(event);
    // A floor while we ask or talk concerns our own press: it does not wait.
    if (event.type === "floor" && group?.keyed) flush();
    else timer ??= setTimeout(flush, BATCH_MS);
  };

  return {
    receive(message) {
      switch (message.type) {
        case "snapshot":
          flush();
          change(message.group, (group) => withSnapshot(group, message.snapshot));
          return;
        case "event":
          receiveEvent(message.event);
          return;
        case "floor-answer": {
          const { group, hold, answer } = message;
          talk.step(group, { type: "answer", hold, answer, nowMs: now() });
          return;
        }
        case "welcome":
        case "hb":
        case "pong":
        case "refused":
          return;
      }
    },
    joined(group) {
      const call = store.group(group)?.call;
      const event = call?.name === "in" ? lineUps.get(call.leg) : undefined;
      if (event) change(group, (state) => withEvent(state, event, now()));
    },
    close() {
      clearTimeout(timer);
      waiting.length = 0;
      lineUps.clear();
    },
  };
}
