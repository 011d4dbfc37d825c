import type { Focus, PttEvent, ReleaseReason } from "../model/ptt.machine.ts";

/** Attribute of a talk button: the groups it talks on, separated by spaces; empty for the selection. */
export const TALK_ATTRIBUTE = "data-talk";

export interface PttInputPort {
  /** Steps the machine. True when the browser must not act on this input too. */
  readonly dispatch: (event: PttEvent) => boolean;
  readonly selected: () => readonly string[];
}

/**
 * Turns what the browser reports into events of the press-to-talk machine. Everything is heard on the window and in the
 * capture phase: a release counts wherever it happens, even if the button is gone or a dialog is in front.
 *
 * @returns a function that ends it
 */
export function listenForPtt({ dispatch, selected }: PttInputPort): () => void {
  const ending = new AbortController();
  const { signal } = ending;
  const on = <K extends keyof WindowEventMap>(type: K, handler: (event: WindowEventMap[K]) => void): void => {
    window.addEventListener(type, handler, { capture: true, passive: false, signal });
  };
  const releaseAll = (reason: ReleaseReason): void => {
    dispatch({ type: "release-all", reason });
  };

  on("keydown", (event) => {
    const { code, repeat, target } = event;
    const modified = event.ctrlKey || event.altKey || event.metaKey || event.shiftKey;
    const focus = focusOf(target, selected());
    if (dispatch({ type: "key-down", code, repeat, modified, focus, selected: selected() }))
      event.preventDefault();
  });
  on("keyup", (event) => {
    const wasOurs = dispatch({ type: "key-up", code: event.code });
    // A button clicks on the key-up of Space.
    if (wasOurs) event.preventDefault();
  });
  on("pointerdown", (event) => {
    const button = talkButton(event.target);
    if (!button || event.button !== 0) return;
    const groups = groupsOf(button, selected());
    dispatch({ type: "press", source: `pointer:${event.pointerId}`, groups });
  });
  for (const type of ["pointerup", "pointercancel"] as const)
    on(type, ({ pointerId }) => {
      dispatch({ type: "release", source: `pointer:${pointerId}` });
    });
  // A drag that starts under a held button would end in pointercancel.
  on("dragstart", (event) => {
    if (talkButton(event.target)) event.preventDefault();
  });
  on("contextmenu", (event) => {
    if (talkButton(event.target)) event.preventDefault();
  });
  on("blur", ({ target }) => {
    // Controls blur too, in the capture phase; only the window's own counts.
    if (target === window) releaseAll("blur");
  });
  on("pagehide", () => {
    releaseAll("hidden");
  });
  document.addEventListener(
    "visibilitychange",
    () => {
      if (document.visibilityState === "hidden") releaseAll("hidden");
    },
    { signal },
  );
  document.addEventListener(
    "freeze",
    () => {
      releaseAll("freeze");
    },
    { signal },
  );

  return () => {
    ending.abort();
    releaseAll("signed-out");
  };
}

const talkButton = (target: EventTarget | null): HTMLElement | undefined =>
  target instanceof Element ? (target.closest<HTMLElement>(`[${TALK_ATTRIBUTE}]`) ?? undefined) : undefined;

function groupsOf(button: HTMLElement, selected: readonly string[]): readonly string[] {
  const named = button.getAttribute(TALK_ATTRIBUTE)?.split(" ").filter(Boolean) ?? [];
  return named.length > 0 ? named : selected;
}

/** Inputs whose kind takes no text. */
const notText = ["button", "checkbox", "radio", "range", "color", "file", "submit", "reset"];

function focusOf(target: EventTarget | null, selected: readonly string[]): Focus {
  if (!(target instanceof HTMLElement)) return { in: "page" };
  const text =
    target.isContentEditable ||
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement ||
    (target instanceof HTMLInputElement && !notText.includes(target.type));
  if (text) return { in: "text" };
  const button = talkButton(target);
  if (button) return { in: "talk-button", groups: groupsOf(button, selected) };
  // A control that was clicked keeps the focus, but nobody means it when they press Space later.
  return target !== document.body && target.matches(":focus-visible") ? { in: "control" } : { in: "page" };
}
