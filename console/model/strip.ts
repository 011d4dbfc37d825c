import { texts } from "../texts.ts";
import type { GroupState, LinkState } from "./console.state.ts";
import { talkersOf } from "./group-events.ts";

/** How a strip looks. Each name has its own word, icon and edge, so that none is told by colour alone. */
export type StripLook =
  | "on-air"
  | "open-microphone"
  | "asking"
  | "queued"
  | "busy"
  | "cut"
  | "limit"
  | "receiving"
  | "muted"
  | "selected"
  | "idle"
  | "joining"
  | "out"
  | "listen-only"
  | "disconnected"
  | "stale";

export interface StripView {
  readonly look: StripLook;
  /** The state in a word. */
  readonly word: string;
  /** Who, or who last, or why not. */
  readonly detail: string;
  /** Since when, for a running clock beside the word. */
  readonly sinceMs?: number;
}

/** What a strip shows: the first state of the design's list that applies wins. `nowMs` moves by the minute only. */
export function viewStrip(group: GroupState, link: LinkState, selected: boolean, nowMs: number): StripView {
  const { call, talk, card } = group;
  if (link.name === "offline") return view("disconnected", texts.state.noLink, "", link.sinceMs);
  if (call.name === "lost") return view("disconnected", texts.state.noLink, "", call.sinceMs);
  if (link.name === "stale") return view("stale", texts.state.stale, lastOf(group, nowMs));
  switch (talk.name) {
    case "granted":
      return view("on-air", talk.limitNear ? texts.state.limitNear : texts.state.onAir, "", talk.sinceMs);
    case "asking":
      return view("asking", texts.state.asking, "");
    case "queued":
      return view(
        "queued",
        texts.state.queued(talk.position),
        talk.holder ? texts.state.isTalking(talk.holder.name) : "",
      );
    case "refused": {
      if (talk.cause === "listen-only") return view("listen-only", texts.state.listenOnly, "");
      const word =
        talk.cause === "busy"
          ? texts.state.busy
          : talk.cause === "limit"
            ? texts.state.limit
            : texts.state.refused;
      return view("busy", word, talk.holder ? texts.state.isTalking(talk.holder.name) : "");
    }
    case "cut":
      return talk.cause === "limit"
        ? view("limit", texts.state.limit, "")
        : view("cut", texts.state.cut, talk.by?.name ?? "");
    case "idle":
      break;
  }
  if (card.mode === "full-duplex" && call.name === "in" && (!group.microphoneMuted || group.keyed))
    return view("open-microphone", texts.state.openMicrophone, talkerText(group));
  const talkers = talkersOf(group);
  const since = group.floor.state === "taken" ? group.floor.sinceMs : undefined;
  if (group.muted && call.name === "in")
    return talkers.length > 0
      ? view("muted", talkerText(group), texts.state.muted, since)
      : view("muted", texts.state.muted, lastOf(group, nowMs));
  if (talkers.length > 0) return view("receiving", talkerText(group), "", since);
  if (call.name === "joining") return view("joining", texts.state.joining, "");
  if (call.name === "out") return view("out", texts.state.out, lastOf(group, nowMs));
  const duplex = card.mode === "full-duplex" ? texts.state.microphoneMuted : "";
  return selected
    ? view("selected", texts.state.selected, duplex || lastOf(group, nowMs))
    : view("idle", texts.state.idle, duplex || lastOf(group, nowMs));
}

const view = (look: StripLook, word: string, detail: string, sinceMs?: number): StripView => ({
  look,
  word,
  detail,
  ...(sinceMs !== undefined && { sinceMs }),
});

function talkerText(group: GroupState): string {
  const [first, ...others] = talkersOf(group);
  if (!first) return "";
  return others.length === 0 ? first.name : texts.state.talking(others.length + 1);
}

const lastOf = ({ last }: GroupState, nowMs: number): string =>
  last ? texts.state.was(last.name, agoText(nowMs - last.atMs)) : "";

/** A length of time in one unit: `now`, `5 min`, `3 h`. */
export function agoText(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return "now";
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
}

/** `0:07`. */
export function clockText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
