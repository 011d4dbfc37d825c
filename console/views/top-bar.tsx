import { LogOut, Mic, MicOff, Settings as SettingsIcon, Wifi, WifiOff } from "lucide-react";
import { useRef } from "react";
import { texts } from "../texts.ts";
import { useConsole, useConsoleState } from "./console-context.ts";
import { Meter } from "./meter.tsx";
import { SettingsDialog } from "./settings-dialog.tsx";
import { useNow } from "./use-now.ts";

/** Always visible: who, when, whether the link and the microphone work. */
export function TopBar() {
  const console = useConsole();
  const operator = useConsoleState((state) => state.operator);
  const dialog = useRef<HTMLDialogElement>(null);
  return (
    <header className="top-bar">
      <span className="brand">
        <img src="/icon.svg" alt="" width={26} height={26} />
        {texts.product}
      </span>
      <span className="top-agency dim">{operator?.agency.name}</span>
      <Clock />
      <LinkBadge />
      <MicrophoneBadge />
      <span className="top-operator">{operator?.name}</span>
      <button
        type="button"
        className="icon-button"
        aria-label={texts.bar.settings}
        title={texts.bar.settings}
        onClick={() => dialog.current?.showModal()}
      >
        <SettingsIcon aria-hidden size={18} />
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label={texts.bar.signOut}
        title={texts.bar.signOut}
        onClick={() => void console.signOut()}
      >
        <LogOut aria-hidden size={18} />
      </button>
      <SettingsDialog dialog={dialog} />
    </header>
  );
}

function Clock() {
  const now = useNow();
  const text = new Date(now).toLocaleTimeString("en-GB");
  return (
    <time className="clock" dateTime={text}>
      {text}
    </time>
  );
}

function LinkBadge() {
  const link = useConsoleState((state) => state.link);
  const now = useNow();
  const text = {
    live: texts.link.live,
    connecting: texts.link.connecting,
    offline: texts.link.offline,
    stale: link.name === "stale" ? texts.link.stale(now - link.sinceMs + 25_000) : "",
  }[link.name];
  const Icon = link.name === "live" ? Wifi : WifiOff;
  return (
    <span className="badge link-badge" data-link={link.name}>
      <Icon aria-hidden size={16} />
      {text}
    </span>
  );
}

function MicrophoneBadge() {
  const console = useConsole();
  const microphone = useConsoleState((state) => state.microphone);
  const ready = microphone.name === "ready";
  return (
    <span
      className="badge mic-badge"
      data-microphone={microphone.name}
      title={ready ? microphone.label : undefined}
    >
      {ready ? <Mic aria-hidden size={16} /> : <MicOff aria-hidden size={16} />}
      <span className="mic-word">{ready ? texts.bar.microphoneReady : texts.bar.microphoneOff}</span>
      <Meter read={console.microphoneLevel} />
    </span>
  );
}
