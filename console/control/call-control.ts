import type { Channel, SoundDesk } from "../audio/sound-desk.ts";
import { retryDelayOf } from "../model/backoff.ts";
import { texts } from "../texts.ts";
import { JoinRefusal, type GroupCall, type Phone } from "../transport/phone.ts";
import type { ConsoleStore } from "./console-store.ts";

export interface CallPorts {
  readonly store: ConsoleStore;
  readonly desk: SoundDesk;
  readonly phone: () => Phone | undefined;
  readonly microphone: () => MediaStreamTrack | undefined;
  /** A group was left or lost: nothing can hold it now. It is `final` unless it will be joined again. */
  readonly onLeft: (group: string, final: boolean) => void;
  readonly onJoined: (group: string) => void;
}

export interface CallControl {
  join(group: string): Promise<void>;
  leave(group: string): Promise<void>;
  callOf(group: string): GroupCall | undefined;
  channelOf(group: string): Channel | undefined;
  /** The picture on one line of a group's call. */
  videoOf(group: string, mid: string): MediaStreamTrack | undefined;
  cameraOf(group: string): MediaStreamTrack | undefined;
  toggleCamera(group: string): Promise<void>;
  /** Volume, mute and selection as the store has them. */
  applySound(group: string): void;
  replaceMicrophone(track: MediaStreamTrack | undefined): void;
  leaveAll(): Promise<void>;
}

interface Line {
  call?: GroupCall;
  readonly channel: Channel;
  readonly videos: Map<string, MediaStreamTrack>;
  camera?: MediaStreamTrack;
  /** Attempts since the call was lost. */
  attempt: number;
}

/** Our calls into groups: joining, leaving, coming back by itself, cameras. */
export function createCallControl(ports: CallPorts): CallControl {
  const { store, desk, phone, microphone, onLeft, onJoined } = ports;
  const lines = new Map<string, Line>();

  const applySound = (group: string): void => {
    const state = store.group(group);
    if (!state) return;
    const selected = store.getState().selected.includes(group);
    lines.get(group)?.channel.set({ volume: state.volume, muted: state.muted, selected });
  };

  const connect = async (group: string, line: Line): Promise<void> => {
    const current = phone();
    if (!current) throw new JoinRefusal(0, "signed out");
    const call = await current.join(group, microphone(), {
      onAudio(stream) {
        line.channel.plug(stream);
      },
      onVideo(mid, track) {
        line.videos.set(mid, track);
      },
      onEnded(cause) {
        if (lines.get(group) === line) ended(group, line, cause);
      },
    });
    if (lines.get(group) !== line) {
      // Left while it was being joined.
      await call.leave();
      return;
    }
    line.call = call;
    line.attempt = 0;
    store.updateGroup(group, (state) => ({ ...state, call: { name: "in", leg: call.leg } }));
    applySound(group);
    onJoined(group);
  };

  const ended = (group: string, line: Line, cause: "media" | "server"): void => {
    const name = store.group(group)?.card.name ?? group;
    delete line.call;
    stopCamera(group, line);
    onLeft(group, cause === "server");
    if (cause === "server") {
      close(group, line);
      store.notify("problem", texts.call.ended(name));
      return;
    }
    store.updateGroup(group, (state) => ({
      ...state,
      slots: [],
      call: { name: "lost", sinceMs: Date.now() },
    }));
    store.speak("assertive", texts.spoken.lost(name));
    again(group, line);
  };

  const again = (group: string, line: Line): void => {
    setTimeout(
      () => {
        if (lines.get(group) !== line) return;
        connect(group, line).catch((error: unknown) => {
          if (lines.get(group) !== line) return;
          const refused = error instanceof JoinRefusal && [403, 404].includes(error.status);
          if (!refused) again(group, line);
          else {
            close(group, line);
            explain(group, error);
          }
        });
      },
      retryDelayOf(line.attempt++, Math.random()),
    );
  };

  const close = (group: string, line: Line): void => {
    lines.delete(group);
    line.channel.close();
    stopCamera(group, line);
    store.updateGroup(group, (state) => ({
      ...state,
      call: { name: "out" },
      slots: [],
      microphoneMuted: true,
    }));
  };

  const stopCamera = (group: string, line: Line): void => {
    line.camera?.stop();
    delete line.camera;
    store.updateGroup(group, (state) => (state.camera ? { ...state, camera: false } : state));
  };

  const explain = (group: string, error: unknown): void => {
    const name = store.group(group)?.card.name ?? group;
    const status = error instanceof JoinRefusal ? error.status : 0;
    store.notify("problem", texts.call.refused(name, reasonOf(status)));
  };

  return {
    async join(group) {
      if (lines.has(group) || !store.group(group)) return;
      const line: Line = { channel: desk.channel(), videos: new Map(), attempt: 0 };
      lines.set(group, line);
      store.updateGroup(group, (state) => ({ ...state, call: { name: "joining" } }));
      try {
        await connect(group, line);
      } catch (error) {
        if (lines.get(group) !== line) return;
        close(group, line);
        explain(group, error);
      }
    },
    async leave(group) {
      const line = lines.get(group);
      if (!line) return;
      onLeft(group, true);
      close(group, line);
      await line.call?.leave();
    },
    callOf: (group) => lines.get(group)?.call,
    channelOf: (group) => lines.get(group)?.channel,
    videoOf: (group, mid) => lines.get(group)?.videos.get(mid),
    cameraOf: (group) => lines.get(group)?.camera,
    async toggleCamera(group) {
      const line = lines.get(group);
      if (!line?.call) return;
      if (line.camera) {
        stopCamera(group, line);
        await line.call.setCamera(undefined).catch(() => undefined);
        return;
      }
      try {
        const camera = await openCamera();
        line.camera = camera;
        camera.onended = () => {
          stopCamera(group, line);
        };
        store.updateGroup(group, (state) => ({ ...state, camera: true }));
        await line.call.setCamera(camera);
      } catch (error) {
        stopCamera(group, line);
        store.notify("problem", cameraText(error));
      }
    },
    applySound,
    replaceMicrophone(track) {
      for (const { call } of lines.values()) call?.setMicrophone(track).catch(() => undefined);
    },
    async leaveAll() {
      const all = [...lines];
      for (const [group, line] of all) close(group, line);
      await Promise.allSettled(all.map(async ([, line]) => line.call?.leave()));
    },
  };
}

async function openCamera(): Promise<MediaStreamTrack> {
  const video = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 20, max: 30 } };
  const stream = await navigator.mediaDevices.getUserMedia({ video });
  const [track] = stream.getVideoTracks();
  if (!track) throw new DOMException("no track", "NotFoundError");
  return track;
}

function cameraText(error: unknown): string {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return texts.camera.refused;
  return name === "NotFoundError" ? texts.camera.missing : texts.camera.failed;
}

/** A SIP status as a reason that an operator can use. */
function reasonOf(status: number): string {
  switch (status) {
    case 0:
      return texts.call.unreachable;
    case 403:
      return texts.call.notAllowed;
    case 404:
      return texts.call.unknown;
    case 488:
      return texts.call.codec;
    case 503:
      return texts.call.full;
    default:
      return texts.call.other(status);
  }
}
