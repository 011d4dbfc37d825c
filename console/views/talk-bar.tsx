import { Mic } from "lucide-react";
import { useShallow } from "zustand/shallow";
import { useStore } from "zustand";
import { refusalText } from "../model/refusal-text.ts";
import { clockText } from "../model/strip.ts";
import type { GroupState } from "../model/console.state.ts";
import { texts } from "../texts.ts";
import { useConsole, useConsoleState } from "./console-context.ts";
import { Meter } from "./meter.tsx";
import { useNow } from "./use-now.ts";

type TalkLook = "idle" | "on-air" | "asking" | "queued" | "refused";

/** What you will talk on, by name, and the button to hold. */
export function TalkBar() {
  const console = useConsole();
  const selected = useStore(
    console.store,
    useShallow((state) =>
      state.selected.map((id) => state.groups[id]).filter((group) => group !== undefined),
    ),
  );
  // A press on a strip's own button shows here too.
  const keyed = useStore(
    console.store,
    useShallow((state) => Object.values(state.groups).filter((group) => group.keyed)),
  );
  const microphone = useConsoleState((state) => state.microphone.name);
  const now = useNow();
  const shown = keyed.length > 0 ? keyed : selected;
  const look = lookOf(keyed);
  const problem = keyed
    .map((group) => refusalText(group.card, group.talk))
    .find((text) => text !== undefined);
  const names = shown.map((group) => group.card.name).join(", ");
  const since = keyed.flatMap(({ talk }) => (talk.name === "granted" ? [talk.sinceMs] : []))[0];
  const silent = microphone === "failed" || microphone === "gone";
  const status = problem ?? (silent ? texts.talkBar.noMicrophone : statusOf(look, names, keyed));
  return (
    <footer className="talk-bar" data-talk-state={look} aria-label={texts.talkBar.heading}>
      <div className="talk-target">
        <span className="dim small">{texts.talkBar.youTalkOn}</span>
        <strong className="talk-names">{names || texts.talkBar.nothing}</strong>
      </div>
      <button
        type="button"
        className="talk-button"
        data-talk=""
        aria-pressed={look === "on-air"}
        aria-describedby="talk-status"
      >
        <Mic aria-hidden size={24} />
        <span className="talk-word">{wordOf(look)}</span>
        {since === undefined ? <kbd>F8</kbd> : <span className="time">{clockText(now - since)}</span>}
        <Meter read={console.microphoneLevel} />
      </button>
      <p className="talk-status" id="talk-status" data-problem={problem !== undefined}>
        {status}
      </p>
    </footer>
  );
}

function lookOf(keyed: readonly GroupState[]): TalkLook {
  const names = keyed.map(({ talk, card }) => (card.mode === "full-duplex" ? "granted" : talk.name));
  if (names.includes("granted")) return "on-air";
  if (names.includes("queued")) return "queued";
  if (names.includes("asking")) return "asking";
  return names.length > 0 ? "refused" : "idle";
}

/** What the press means now, in words. */
function statusOf(look: TalkLook, names: string, keyed: readonly GroupState[]): string {
  if (names === "") return texts.refusal.nothingSelected;
  if (look === "on-air") return texts.talkBar.heard(names);
  const queued = keyed.map(({ talk }) => talk).find((talk) => talk.name === "queued");
  return queued ? texts.talkBar.keepHolding(queued.position) : texts.talkBar.ready;
}

const wordOf = (look: TalkLook): string =>
  ({
    idle: texts.talkBar.hold,
    "on-air": texts.talkBar.onAir,
    asking: texts.talkBar.asking,
    queued: texts.talkBar.queued,
    refused: texts.talkBar.refused,
  })[look];
