import type { FloorState, GroupSnapshot, Participant } from "#common/media-control.ts";
import { idleTalk, type TalkState } from "./talk.machine.ts";

/** A talk group as the directory describes it. */
export interface GroupCard {
  readonly id: string;
  readonly name: string;
  readonly agency: { readonly id: string; readonly name: string };
  readonly mode: "half-duplex" | "full-duplex";
  readonly maxTalkMs: number;
  readonly queue: boolean;
}

export interface Operator {
  readonly id: string;
  readonly name: string;
  readonly agency: { readonly id: string; readonly name: string };
}

/** Our own call into a group. `leg` is how the media tier names it. */
export type CallState =
  | { readonly name: "out" }
  | { readonly name: "joining" }
  | { readonly name: "in"; readonly leg: string }
  /** Lost by itself; being joined again. */
  | { readonly name: "lost"; readonly sinceMs: number };

export interface VideoSlot {
  readonly mid: string;
  readonly from?: Participant;
}

/** What the console knows of one group. */
export interface GroupState {
  readonly card: GroupCard;
  readonly call: CallState;
  readonly talk: TalkState;
  readonly floor: FloorState;
  readonly participants: readonly Participant[];
  readonly talking: readonly string[];
  readonly slots: readonly VideoSlot[];
  readonly muted: boolean;
  /** 0 to 1; kept while muted. */
  readonly volume: number;
  /** Full duplex: whether our microphone stays shut between presses. */
  readonly microphoneMuted: boolean;
  readonly keyed: boolean;
  readonly camera: boolean;
  /** Transmissions while muted. */
  readonly missed: number;
  readonly last?: { readonly name: string; readonly atMs: number };
}

export type LinkState =
  | { readonly name: "connecting" }
  | { readonly name: "live" }
  | { readonly name: "stale"; readonly sinceMs: number }
  | { readonly name: "offline"; readonly sinceMs: number };

export type MicrophoneState =
  | { readonly name: "off" }
  | { readonly name: "ready"; readonly label: string }
  | { readonly name: "failed"; readonly cause: "refused" | "missing" | "busy" | "insecure" }
  | { readonly name: "gone"; readonly label: string; readonly atMs: number };

export interface TalkLogEntry {
  readonly id: number;
  readonly group: string;
  readonly who: string;
  readonly atMs: number;
  readonly endMs?: number;
}

export interface Notice {
  readonly id: number;
  readonly level: "problem" | "note";
  readonly text: string;
}

export interface Settings {
  readonly space: boolean;
  readonly announce: boolean;
  /** Noise suppression, echo cancelling and automatic gain. */
  readonly processing: boolean;
  readonly microphone: string;
  readonly unselectedVolume: number;
}

export interface ConsoleState {
  readonly phase: "signed-out" | "signing-in" | "on-duty";
  readonly signInProblem?: string;
  readonly operator?: Operator;
  readonly groups: Readonly<Record<string, GroupState>>;
  /** Group ids in the order of the screen. */
  readonly order: readonly string[];
  readonly selected: readonly string[];
  readonly link: LinkState;
  readonly microphone: MicrophoneState;
  readonly soundBlocked: boolean;
  readonly log: readonly TalkLogEntry[];
  readonly notices: readonly Notice[];
  /** What screen readers are told. The number makes a repeated text a new one. */
  readonly spoken: { readonly polite: string; readonly assertive: string; readonly count: number };
  readonly settings: Settings;
}

export const defaultSettings: Settings = {
  space: false,
  announce: true,
  processing: false,
  microphone: "",
  unselectedVolume: 0.5,
};

export const signedOut = (settings: Settings): ConsoleState => ({
  phase: "signed-out",
  groups: {},
  order: [],
  selected: [],
  link: { name: "connecting" },
  microphone: { name: "off" },
  soundBlocked: false,
  log: [],
  notices: [],
  spoken: { polite: "", assertive: "", count: 0 },
  settings,
});

export const newGroup = (card: GroupCard): GroupState => ({
  card,
  call: { name: "out" },
  talk: idleTalk,
  floor: { state: "idle", seq: 0 },
  participants: [],
  talking: [],
  slots: [],
  muted: false,
  volume: 0.8,
  microphoneMuted: true,
  keyed: false,
  camera: false,
  missed: 0,
});

/** A group as of a snapshot: whatever it says is newer than what we had. */
export const withSnapshot = (group: GroupState, snapshot: GroupSnapshot): GroupState => ({
  ...group,
  floor: snapshot.floor,
  participants: snapshot.participants,
  talking: snapshot.talking,
});
