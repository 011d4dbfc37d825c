import { createMicrophone } from "../audio/microphone.ts";
import { createSoundDesk, type SoundDesk } from "../audio/sound-desk.ts";
import { listenForPtt } from "../input/ptt-input.ts";
import { newGroup, signedOut, type MicrophoneState, type Settings } from "../model/console.state.ts";
import { loadSettings, saveSettings } from "../model/settings-store.ts";
import { texts } from "../texts.ts";
import { openEventsSocket, type EventsSocket } from "../transport/events-socket.ts";
import type { Phone } from "../transport/phone.ts";
import { signIn, signOut, webSocketUrl, type Session } from "../transport/session-client.ts";
import { startSipPhone } from "../transport/sip/sip-phone.ts";
import { createCallControl } from "./call-control.ts";
import { createConsoleStore, type ConsoleStore } from "./console-store.ts";
import { createEventControl } from "./event-control.ts";
import { createSilenceWatch } from "./silence-watch.ts";
import { createTalkControl } from "./talk-control.ts";

/** What the views may ask for. */
export interface Console {
  readonly store: ConsoleStore;
  signIn(user: string, password: string): Promise<void>;
  signOut(): Promise<void>;
  join(group: string): Promise<void>;
  leave(group: string): Promise<void>;
  /** One group, or with `add` one more or one less. */
  select(group: string, add: boolean): void;
  setMuted(group: string, muted: boolean): void;
  setVolume(group: string, volume: number): void;
  setMicrophoneMuted(group: string, muted: boolean): void;
  toggleCamera(group: string): Promise<void>;
  videoOf(group: string, mid: string): MediaStreamTrack | undefined;
  cameraOf(group: string): MediaStreamTrack | undefined;
  levelOf(group: string): number;
  readonly microphoneLevel: () => number;
  retryMicrophone(): Promise<void>;
  resumeSound(): Promise<void>;
  changeSettings(change: Partial<Settings>): Promise<void>;
  dismiss(notice: number): void;
}

/** A lost connection shows after this long: most come back sooner. In ms. */
const OFFLINE_AFTER_MS = 3_000;

/** Everything behind the page: no React in here, so that a view that fails takes no voice with it. */
export function createConsole(): Console {
  const store = createConsoleStore(loadSettings(localStorage));
  const now = (): number => Date.now();
  let session: Session | undefined;
  let desk: SoundDesk | undefined;
  let phone: Phone | undefined;
  let events: EventsSocket | undefined;
  let stopInput: (() => void) | undefined;
  let ticker: Worker | undefined;
  let microphoneTrack: MediaStreamTrack | undefined;
  let offline: ReturnType<typeof setTimeout> | undefined;
  let microphoneProblem: string | undefined;

  const talk = createTalkControl({
    store,
    callOf: (group) => calls?.callOf(group),
    send: (message) => events?.send(message) ?? false,
    play: (sound) => desk?.play(sound),
    hush: () => desk?.hush(),
    newHold: () => crypto.randomUUID(),
    now,
  });
  const eventControl = createEventControl(store, talk, now);
  let calls: ReturnType<typeof createCallControl> | undefined;

  const microphone = createMicrophone({
    onTrack(track) {
      microphoneTrack = track;
      desk?.watchMicrophone(track);
      calls?.replaceMicrophone(track);
    },
    onState(state) {
      if (microphoneProblem !== undefined) store.retract(microphoneProblem);
      store.setState({ microphone: state });
      microphoneProblem = microphoneText(state);
      if (microphoneProblem !== undefined) store.notify("problem", microphoneProblem);
    },
    onStopped() {
      talk.dispatch({ type: "release-all", reason: "microphone" });
    },
  });

  const openLink = ({ token, events: path }: Session): EventsSocket => {
    const since = { lost: 0 };
    return openEventsSocket(webSocketUrl(path), token, {
      onOpen() {
        clearTimeout(offline);
        offline = undefined;
        const { link, order } = store.getState();
        if (link.name === "offline") desk?.play("link-back");
        if (since.lost > 0 && link.name === "offline")
          store.notify("note", texts.link.back(now() - since.lost));
        since.lost = 0;
        store.setState({ link: { name: "live" } });
        if (order.length > 0) events?.send({ type: "subscribe", groups: [...order] });
      },
      onLost() {
        since.lost ||= now();
        talk.linkLost();
        if (store.getState().link.name !== "offline") store.setState({ link: { name: "connecting" } });
        offline ??= setTimeout(() => {
          store.setState({ link: { name: "offline", sinceMs: since.lost } });
          store.speak("assertive", texts.link.offlineDetail);
          desk?.play("link-lost");
        }, OFFLINE_AFTER_MS);
      },
      onStale() {
        talk.linkLost();
        store.setState({ link: { name: "stale", sinceMs: now() } });
      },
      onFresh() {
        store.setState({ link: { name: "live" } });
      },
      onMessage: eventControl.receive,
      onSignedOut() {
        void stop();
      },
    });
  };

  const probe = (): void => {
    if (document.visibilityState === "hidden") return;
    events?.probe();
    phone?.probe();
  };

  const silence = createSilenceWatch(
    () => desk?.microphoneLevel() ?? 0,
    (silent) => {
      if (silent && microphoneTrack) store.notify("problem", texts.microphone.silent);
      else store.retract(texts.microphone.silent);
    },
  );
  store.subscribe(({ groups }) => {
    silence.watch(Object.values(groups).some((group) => group.talk.name === "granted"));
  });

  const start = (opened: Session, password: string): void => {
    session = opened;
    const { settings } = store.getState();
    store.setState({
      ...signedOut(settings),
      phase: "on-duty",
      operator: opened.user,
      groups: Object.fromEntries(opened.groups.map((card) => [card.id, newGroup(card)])),
      order: opened.groups.map(({ id }) => id),
    });
    desk?.setUnselectedVolume(settings.unselectedVolume);
    desk?.onState((soundBlocked) => {
      store.setState({ soundBlocked });
    });
    events = openLink(opened);
    phone = startSipPhone(
      {
        server: webSocketUrl(opened.sip),
        user: opened.user.id,
        name: opened.user.name,
        domain: opened.domain,
        password,
      },
      {
        onRegistered: () => undefined,
        onLost: () => undefined,
        onRefused: () => {
          store.notify("problem", texts.signIn.registration);
        },
      },
    );
    stopInput = listenForPtt({ dispatch: talk.dispatch, selected: () => store.getState().selected });
    ticker = new Worker(new URL("./tick.worker.ts", import.meta.url), { type: "module" });
    ticker.onmessage = talk.tick;
    for (const type of ["online", "focus"] as const) window.addEventListener(type, probe);
    document.addEventListener("visibilitychange", probe);
    window.addEventListener("pagehide", leavePage);
    void microphone.open(settings);
  };

  const leavePage = (): void => {
    void phone?.close();
    events?.close();
  };

  const stop = async (): Promise<void> => {
    talk.dispatch({ type: "release-all", reason: "signed-out" });
    stopInput?.();
    ticker?.terminate();
    clearTimeout(offline);
    offline = undefined;
    for (const type of ["online", "focus"] as const) window.removeEventListener(type, probe);
    document.removeEventListener("visibilitychange", probe);
    window.removeEventListener("pagehide", leavePage);
    const [oldPhone, oldDesk, oldCalls] = [phone, desk, calls];
    events?.close();
    eventControl.close();
    phone = undefined;
    desk = undefined;
    calls = undefined;
    session = undefined;
    microphone.close();
    store.setState(signedOut(store.getState().settings));
    await oldCalls?.leaveAll();
    await oldPhone?.close();
    await oldDesk?.close();
  };

  return {
    store,
    async signIn(user, password) {
      store.setState((state) => ({ ...signedOut(state.settings), phase: "signing-in" }));
      // Made here, inside the click, so that the browser lets it sound.
      desk ??= createSoundDesk();
      void desk.resume();
      calls = createCallControl({
        store,
        desk,
        phone: () => phone,
        microphone: () => microphoneTrack,
        onLeft(group, final) {
          talk.dispatch({ type: "drop-group", group });
          if (!final) return;
          store.setState(({ selected }) => ({ selected: selected.filter((id) => id !== group) }));
        },
        onJoined(group) {
          eventControl.joined(group);
          if (store.getState().selected.length === 0) select(group, false);
        },
      });
      const result = await signIn(user, password);
      if (result.outcome === "opened") {
        start(result.session, password);
        return;
      }
      const problem = {
        wrong: texts.signIn.wrong,
        unreachable: texts.signIn.unreachable,
        failed: texts.signIn.failed,
        limited: result.outcome === "limited" ? texts.signIn.limited(result.waitSeconds) : "",
      }[result.outcome];
      store.setState({ phase: "signed-out", signInProblem: problem });
    },
    async signOut() {
      const token = session?.token;
      await stop();
      if (token !== undefined) await signOut(token);
    },
    async join(group) {
      await calls?.join(group);
    },
    async leave(group) {
      await calls?.leave(group);
    },
    select,
    setMuted(group, muted) {
      store.updateGroup(group, (state) => ({ ...state, muted, missed: 0 }));
      calls?.applySound(group);
    },
    setVolume(group, volume) {
      store.updateGroup(group, (state) => ({ ...state, volume }));
      calls?.applySound(group);
    },
    setMicrophoneMuted(group, microphoneMuted) {
      store.updateGroup(group, (state) => ({ ...state, microphoneMuted }));
      talk.applyMicrophone(group);
    },
    async toggleCamera(group) {
      await calls?.toggleCamera(group);
    },
    videoOf: (group, mid) => calls?.videoOf(group, mid),
    cameraOf: (group) => calls?.cameraOf(group),
    levelOf(group) {
      const state = store.group(group);
      const sending =
        state &&
        (state.talk.name === "granted" ||
          (state.call.name === "in" &&
            state.card.mode === "full-duplex" &&
            (state.keyed || !state.microphoneMuted)));
      const heard = calls?.channelOf(group)?.level() ?? 0;
      return sending ? Math.max(heard, desk?.microphoneLevel() ?? 0) : heard;
    },
    microphoneLevel: () => desk?.microphoneLevel() ?? 0,
    retryMicrophone: () => microphone.open(store.getState().settings),
    async resumeSound() {
      await desk?.resume();
    },
    async changeSettings(change) {
      const before = store.getState().settings;
      const settings = { ...before, ...change };
      store.setState({ settings });
      saveSettings(localStorage, settings);
      desk?.setUnselectedVolume(settings.unselectedVolume);
      if (settings.microphone !== before.microphone || settings.processing !== before.processing)
        await microphone.open(settings);
    },
    dismiss(id) {
      store.setState(({ notices }) => ({ notices: notices.filter((notice) => notice.id !== id) }));
    },
  };

  function select(group: string, add: boolean): void {
    const { selected } = store.getState();
    const has = selected.includes(group);
    const others = selected.filter((id) => id !== group);
    const next = add ? (has ? others : [...selected, group]) : [group];
    store.setState({ selected: next });
    for (const id of new Set([...selected, ...next])) calls?.applySound(id);
  }
}

function microphoneText(state: MicrophoneState): string | undefined {
  if (state.name === "failed") return texts.microphone[state.cause];
  if (state.name === "gone")
    return texts.microphone.gone(state.label, new Date(state.atMs).toLocaleTimeString("en-GB"));
  return undefined;
}
