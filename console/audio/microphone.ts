import type { MicrophoneState, Settings } from "../model/console.state.ts";

export interface MicrophoneHandlers {
  /** The track to send from now on; undefined when there is none. */
  readonly onTrack: (track: MediaStreamTrack | undefined) => void;
  readonly onState: (state: MicrophoneState) => void;
  /** It stopped while it worked: unplugged, taken away, muted by the system. */
  readonly onStopped: () => void;
}

export interface Microphone {
  /** Asks the browser for it. One live track for the whole shift, so that no press waits for a device. */
  open(settings: Pick<Settings, "microphone" | "processing">): Promise<void>;
  close(): void;
}

/** The operator's microphone. */
export function createMicrophone(handlers: MicrophoneHandlers): Microphone {
  let current: MediaStreamTrack | undefined;

  const drop = (): void => {
    if (!current) return;
    current.onended = null;
    current.onmute = null;
    current.stop();
    current = undefined;
  };

  return {
    async open({ microphone, processing }) {
      if (!("mediaDevices" in navigator)) {
        handlers.onState({ name: "failed", cause: "insecure" });
        return;
      }
      try {
        const stream = await navigator.mediaDevices.getUserMedia({
          audio: {
            // Suppression cuts words together with noise: off unless the operator wants it.
            echoCancellation: processing,
            noiseSuppression: processing,
            autoGainControl: processing,
            channelCount: 1,
            ...(microphone !== "" && { deviceId: { ideal: microphone } }),
          },
        });
        const [track] = stream.getAudioTracks();
        if (!track) throw new DOMException("no track", "NotFoundError");
        drop();
        current = track;
        track.onended = () => {
          current = undefined;
          handlers.onStopped();
          handlers.onTrack(undefined);
          handlers.onState({ name: "gone", label: track.label, atMs: Date.now() });
        };
        track.onmute = handlers.onStopped;
        handlers.onTrack(track);
        handlers.onState({ name: "ready", label: track.label });
      } catch (error) {
        handlers.onTrack(undefined);
        handlers.onState({ name: "failed", cause: causeOf(error) });
      }
    },
    close: drop,
  };
}

function causeOf(error: unknown): "refused" | "missing" | "busy" {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "refused";
  return name === "NotReadableError" || name === "AbortError" ? "busy" : "missing";
}
