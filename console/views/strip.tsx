import { LogOut, Mic, MicOff, PhoneCall, Users, Video, VideoOff, Volume2, VolumeX } from "lucide-react";
import { useCallback, useId } from "react";
import type { GroupState } from "../model/console.state.ts";
import { clockText, viewStrip, type StripView } from "../model/strip.ts";
import { texts } from "../texts.ts";
import { useConsole, useConsoleState } from "./console-context.ts";
import { Meter } from "./meter.tsx";
import { StripIcon } from "./strip-icon.tsx";
import { useNow } from "./use-now.ts";

interface StripProps {
  readonly id: string;
  /** Whether Tab stops here. */
  readonly active: boolean;
  readonly onFocus: () => void;
}

/** One talk group: who talks, what we may do. */
export function Strip({ id, active, onFocus }: StripProps) {
  const console = useConsole();
  const group = useConsoleState((state) => state.groups[id]);
  const link = useConsoleState((state) => state.link);
  const selected = useConsoleState((state) => state.selected.includes(id));
  const statusId = useId();
  const read = useCallback(() => console.levelOf(id), [console, id]);
  const now = useNow();
  if (!group) return null;
  const view = viewStrip(group, link, selected, now);
  const { card, call } = group;
  const tabIndex = active ? 0 : -1;
  return (
    <div
      className="strip"
      role="group"
      aria-label={card.name}
      data-group={id}
      data-state={view.look}
      data-call={call.name}
      data-selected={selected}
      onFocus={onFocus}
    >
      <button
        type="button"
        className="strip-head"
        tabIndex={tabIndex}
        aria-pressed={selected}
        aria-describedby={statusId}
        onClick={(event) => {
          console.select(id, event.shiftKey || event.ctrlKey || event.metaKey);
        }}
      >
        <span className="strip-name">{card.name}</span>
        <span className="strip-sub dim">
          {card.agency.name} ·{" "}
          {card.mode === "half-duplex" ? texts.strips.halfDuplex : texts.strips.fullDuplex}
        </span>
      </button>
      <div className="strip-status" id={statusId}>
        <StripIcon look={view.look} />
        <span className="strip-word">{view.word}</span>
        <Since view={view} now={now} />
        <span className="strip-detail">{view.detail}</span>
      </div>
      <Meter read={read} />
      <div className="strip-foot">
        {call.name === "out" ? (
          <>
            <Badges group={group} />
            <button
              type="button"
              className="strip-join"
              tabIndex={tabIndex}
              aria-label={texts.strips.join(card.name)}
              onClick={() => void console.join(id)}
            >
              <PhoneCall aria-hidden size={16} /> {texts.strips.joinShort}
            </button>
          </>
        ) : (
          <StripControls group={group} tabIndex={tabIndex} statusId={statusId} />
        )}
      </div>
    </div>
  );
}

function Since({ view, now }: { readonly view: StripView; readonly now: number }) {
  if (view.sinceMs === undefined) return null;
  return <span className="time">{clockText(now - view.sinceMs)}</span>;
}

function Badges({ group }: { readonly group: GroupState }) {
  const count = group.participants.length;
  return (
    <span className="strip-badges">
      {group.muted && group.missed > 0 && (
        <span className="badge missed">{texts.strips.heard(group.missed)}</span>
      )}
      {count > 0 && (
        <span className="badge people" title={texts.strips.inGroup(count)}>
          <Users aria-hidden size={13} /> {count}
          <span className="unseen">{texts.strips.inGroup(count)}</span>
        </span>
      )}
    </span>
  );
}

interface ControlsProps {
  readonly group: GroupState;
  readonly tabIndex: number;
  readonly statusId: string;
}

function StripControls({ group, tabIndex, statusId }: ControlsProps) {
  const console = useConsole();
  const { card, muted, volume, camera, call, microphoneMuted } = group;
  const duplex = card.mode === "full-duplex";
  const onAir = group.talk.name === "granted" || (duplex && group.keyed);
  return (
    <>
      <div className="strip-tools">
        <Toggle
          label={texts.strips.mute(card.name)}
          pressed={muted}
          tabIndex={tabIndex}
          onClick={() => {
            console.setMuted(card.id, !muted);
          }}
        >
          {muted ? <VolumeX aria-hidden size={17} /> : <Volume2 aria-hidden size={17} />}
        </Toggle>
        <input
          className="strip-volume"
          type="range"
          min={0}
          max={1}
          step={0.05}
          value={volume}
          tabIndex={tabIndex}
          aria-label={texts.strips.level(card.name)}
          onChange={(event) => {
            console.setVolume(card.id, event.currentTarget.valueAsNumber);
          }}
        />
        <Toggle
          label={texts.strips.camera(card.name)}
          pressed={camera}
          tabIndex={tabIndex}
          disabled={call.name !== "in"}
          onClick={() => void console.toggleCamera(card.id)}
        >
          {camera ? <Video aria-hidden size={17} /> : <VideoOff aria-hidden size={17} />}
        </Toggle>
        <button
          type="button"
          className="icon-button"
          tabIndex={tabIndex}
          aria-label={texts.strips.leave(card.name)}
          title={texts.strips.leaveShort}
          onClick={() => void console.leave(card.id)}
        >
          <LogOut aria-hidden size={17} />
        </button>
        <Badges group={group} />
      </div>
      {duplex && (
        <button
          type="button"
          className="strip-mic"
          tabIndex={tabIndex}
          aria-pressed={microphoneMuted}
          aria-label={texts.strips.microphone(card.name)}
          onClick={() => {
            console.setMicrophoneMuted(card.id, !microphoneMuted);
          }}
        >
          {microphoneMuted ? <MicOff aria-hidden size={17} /> : <Mic aria-hidden size={17} />}
          {texts.strips.microphoneShort}
        </button>
      )}
      <button
        type="button"
        className="strip-talk"
        tabIndex={tabIndex}
        data-talk={card.id}
        aria-pressed={onAir}
        aria-label={texts.strips.talk(card.name)}
        aria-describedby={statusId}
      >
        <Mic aria-hidden size={18} /> {texts.strips.talkShort}
      </button>
    </>
  );
}

interface ToggleProps {
  readonly label: string;
  readonly pressed: boolean;
  readonly tabIndex: number;
  readonly disabled?: boolean;
  readonly onClick: () => void;
  readonly children: React.ReactNode;
}

/** A switch whose name never changes with its state. */
function Toggle({ label, pressed, tabIndex, disabled = false, onClick, children }: ToggleProps) {
  return (
    <button
      type="button"
      className="icon-button toggle"
      aria-pressed={pressed}
      aria-label={label}
      title={label}
      tabIndex={tabIndex}
      disabled={disabled}
      onClick={onClick}
    >
      {children}
    </button>
  );
}
