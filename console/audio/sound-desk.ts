import { playCue, type Sound } from "./cues.ts";

/** What one group sounds like here. */
export interface Channel {
  /** What the group sends us. Called again when its media starts anew. */
  plug(stream: MediaStream): void;
  set(level: { volume: number; muted: boolean; selected: boolean }): void;
  /** Loudness of what it sends, muted or not: 0 to 1. */
  level(): number;
  close(): void;
}

/**
 * All sound of the console: one AudioContext, a bus for selected groups, one for the others and one for cues, each
 * behind a limiter, so that ten voices at once do not hurt.
 */
export interface SoundDesk {
  /** Must follow a click or a key of the operator, or the browser keeps sound off. */
  resume(): Promise<void>;
  onState(listener: (blocked: boolean) => void): void;
  channel(): Channel;
  /** Loudness of the operator's microphone: 0 to 1. */
  watchMicrophone(track: MediaStreamTrack | undefined): void;
  microphoneLevel(): number;
  setUnselectedVolume(volume: number): void;
  play(sound: Sound): void;
  /** Ends a cue that lasts. */
  hush(): void;
  close(): Promise<void>;
}

/** Changes of level take this long, so that nothing clicks. In s. */
const FADE_S = 0.01;
/** Quieter than this shows nothing on a meter, in dB. */
const METER_FLOOR_DB = -60;

export function createSoundDesk(): SoundDesk {
  const context = new AudioContext({ latencyHint: "interactive" });
  const limiter = new DynamicsCompressorNode(context, {
    threshold: -6,
    knee: 3,
    ratio: 20,
    attack: 0.002,
    release: 0.1,
  });
  limiter.connect(context.destination);
  const bus = (gain: number): GainNode => {
    const node = new GainNode(context, { gain });
    node.connect(limiter);
    return node;
  };
  const selected = bus(1);
  const unselected = bus(0.5);
  const cues = bus(1);
  const microphone = meter(context);
  let microphoneSource: MediaStreamAudioSourceNode | undefined;
  let stopCue: (() => void) | undefined;

  return {
    async resume() {
      if (context.state === "suspended") await context.resume();
    },
    onState(listener) {
      context.onstatechange = () => {
        listener(context.state === "suspended");
      };
      listener(context.state === "suspended");
    },
    channel: () => createChannel(context, selected, unselected),
    watchMicrophone(track) {
      microphoneSource?.disconnect();
      microphoneSource =
        track && new MediaStreamAudioSourceNode(context, { mediaStream: new MediaStream([track]) });
      microphoneSource?.connect(microphone.node);
    },
    microphoneLevel: () => (microphoneSource ? microphone.read() : 0),
    setUnselectedVolume(volume) {
      unselected.gain.setTargetAtTime(volume, context.currentTime, FADE_S);
    },
    play(sound) {
      stopCue?.();
      stopCue = playCue(context, cues, sound);
    },
    hush() {
      stopCue?.();
      stopCue = undefined;
    },
    async close() {
      if (context.state !== "closed") await context.close();
    },
  };
}

function createChannel(context: AudioContext, selectedBus: AudioNode, unselectedBus: AudioNode): Channel {
  const gain = new GainNode(context, { gain: 0.8 });
  const analyser = meter(context);
  // Web Audio stays silent for a remote track unless a media element pulls it too.
  const puller = new Audio();
  puller.muted = true;
  let source: MediaStreamAudioSourceNode | undefined;
  let onSelected: boolean | undefined;

  return {
    plug(stream) {
      source?.disconnect();
      puller.srcObject = stream;
      puller.play().catch(() => undefined);
      source = new MediaStreamAudioSourceNode(context, { mediaStream: stream });
      source.connect(analyser.node);
      source.connect(gain);
    },
    set({ volume, muted, selected }) {
      gain.gain.setTargetAtTime(muted ? 0 : volume, context.currentTime, FADE_S);
      if (selected === onSelected) return;
      onSelected = selected;
      gain.disconnect();
      gain.connect(selected ? selectedBus : unselectedBus);
    },
    level: () => (source ? analyser.read() : 0),
    close() {
      source?.disconnect();
      gain.disconnect();
      puller.srcObject = null;
    },
  };
}

/** A node that says how loud it is on a scale that a meter can show. */
function meter(context: AudioContext): { node: AnalyserNode; read(): number } {
  const node = new AnalyserNode(context, { fftSize: 1_024 });
  const samples = new Float32Array(node.fftSize);
  return {
    node,
    read() {
      node.getFloatTimeDomainData(samples);
      let sum = 0;
      for (const sample of samples) sum += sample * sample;
      const db = 10 * Math.log10(sum / samples.length + 1e-12);
      return Math.min(1, Math.max(0, 1 - db / METER_FLOOR_DB));
    },
  };
}
