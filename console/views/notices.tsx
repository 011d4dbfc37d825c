import { Info, TriangleAlert, X } from "lucide-react";
import { clockText } from "../model/strip.ts";
import { texts } from "../texts.ts";
import { useConsole, useConsoleState } from "./console-context.ts";
import { useNow } from "./use-now.ts";

/** What went wrong and what to do about it. Pushes the page down and covers nothing. */
export function Notices() {
  const console = useConsole();
  const notices = useConsoleState((state) => state.notices);
  const soundBlocked = useConsoleState((state) => state.soundBlocked);
  const microphone = useConsoleState((state) => state.microphone.name);
  const canRetry = microphone === "failed" || microphone === "gone";
  return (
    <section className="notices" aria-label="Notices">
      <LinkNotice />
      {soundBlocked && (
        <button
          type="button"
          className="notice notice-problem notice-sound"
          onClick={() => void console.resumeSound()}
        >
          {texts.sound.blocked}
        </button>
      )}
      {notices.map((notice) => (
        <div key={notice.id} className={`notice notice-${notice.level}`} role="alert">
          {notice.level === "problem" ? (
            <TriangleAlert aria-hidden size={18} />
          ) : (
            <Info aria-hidden size={18} />
          )}
          <p>{notice.text}</p>
          {canRetry && isAboutMicrophone(notice.text) && (
            <button type="button" className="notice-action" onClick={() => void console.retryMicrophone()}>
              {texts.microphone.retry}
            </button>
          )}
          <button
            type="button"
            className="icon-button"
            aria-label={texts.dismiss}
            onClick={() => {
              console.dismiss(notice.id);
            }}
          >
            <X aria-hidden size={16} />
          </button>
        </div>
      ))}
    </section>
  );
}

function LinkNotice() {
  const link = useConsoleState((state) => state.link);
  const now = useNow();
  if (link.name === "offline")
    return (
      <div className="notice notice-link" data-notice="offline">
        <TriangleAlert aria-hidden size={18} />
        <p>
          {texts.link.offlineDetail} <span className="time">{clockText(now - link.sinceMs)}</span>
        </p>
      </div>
    );
  if (link.name === "stale")
    return (
      <div className="notice notice-link" data-notice="stale">
        <TriangleAlert aria-hidden size={18} />
        <p>{texts.link.staleDetail(now - link.sinceMs + 25_000)}</p>
      </div>
    );
  return null;
}

/** The texts about the microphone offer to try again. */
const isAboutMicrophone = (text: string): boolean => text.includes(texts.microphone.retry);
