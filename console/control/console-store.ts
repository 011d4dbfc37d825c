import { createStore, type StoreApi } from "zustand/vanilla";
import {
  signedOut,
  type ConsoleState,
  type GroupState,
  type Notice,
  type Settings,
} from "../model/console.state.ts";

/** The one store of the page, with the few writes that several controls share. */
export interface ConsoleStore extends StoreApi<ConsoleState> {
  group(id: string): GroupState | undefined;
  /** Changes one group; an unknown one is left alone. */
  updateGroup(id: string, change: (group: GroupState) => GroupState): void;
  /** Shows a text until it is dismissed; the same text twice is shown once. */
  notify(level: Notice["level"], text: string): void;
  retract(text: string): void;
  /** Tells screen readers. */
  speak(how: "polite" | "assertive", text: string): void;
}

/** More notices than this push the oldest out: the newest matter. */
const NOTICES = 4;

export function createConsoleStore(settings: Settings): ConsoleStore {
  const store = createStore<ConsoleState>(() => signedOut(settings));
  let lastNotice = 0;
  return {
    ...store,
    group: (id) => store.getState().groups[id],
    updateGroup(id, change) {
      const { groups } = store.getState();
      const before = groups[id];
      if (!before) return;
      const after = change(before);
      if (after !== before) store.setState({ groups: { ...groups, [id]: after } });
    },
    notify(level, text) {
      const { notices } = store.getState();
      if (notices.some((notice) => notice.text === text)) return;
      store.setState({ notices: [...notices, { id: ++lastNotice, level, text }].slice(-NOTICES) });
    },
    retract(text) {
      store.setState(({ notices }) => ({ notices: notices.filter((notice) => notice.text !== text) }));
    },
    speak(how, text) {
      store.setState(({ spoken }) => ({ spoken: { ...spoken, [how]: text, count: spoken.count + 1 } }));
    },
  };
}
