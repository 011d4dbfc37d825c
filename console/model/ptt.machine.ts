import type { Step } from "#common/machine.ts";

/**
 * Push-to-talk as a set of held sources: `key:F8`, `pointer:7`, `pad:0:3`. A group is keyed while any source holds it.
 * Releasing matches the physical source and nothing else: not the target of the event, not the modifiers. Anything that
 * could hide a release from us releases.
 */
export interface PttState {
  /** Groups that each held source talks on, fixed when it was pressed. */
  readonly holds: Readonly<Record<string, readonly string[]>>;
}

export interface PttSettings {
  /** Physical keys (KeyboardEvent.code) that talk, in text fields too: they type nothing. */
  readonly keys: readonly string[];
  /** Whether Space talks while no text field has the focus. */
  readonly space: boolean;
}

/** Where the focus is when a key goes down. */
export type Focus =
  /** In a field that takes text. */
  | { readonly in: "text" }
  /** On a control reached by keyboard, which Space and Enter operate. */
  | { readonly in: "control" }
  /** On a talk button, which Space and Enter hold. */
  | { readonly in: "talk-button"; readonly groups: readonly string[] }
  | { readonly in: "page" };

export type ReleaseReason =
  | "released"
  | "escape"
  | "blur"
  | "hidden"
  | "freeze"
  | "microphone"
  | "device"
  | "meta"
  | "signed-out"
  | "link"
  | "left";

export type PttEvent =
  | {
      readonly type: "key-down";
      readonly code: string;
      readonly repeat: boolean;
      /** Ctrl, Alt, Shift or Meta is down. */
      readonly modified: boolean;
      readonly focus: Focus;
      /** Groups that are selected now. */
      readonly selected: readonly string[];
    }
  | { readonly type: "key-up"; readonly code: string }
  | { readonly type: "press"; readonly source: string; readonly groups: readonly string[] }
  | { readonly type: "release"; readonly source: string; readonly reason?: ReleaseReason }
  | { readonly type: "release-all"; readonly reason: ReleaseReason }
  /** The console left a group: nothing can hold it any more. */
  | { readonly type: "drop-group"; readonly group: string };

export type PttEffect =
  | { readonly do: "key"; readonly group: string }
  | { readonly do: "unkey"; readonly group: string; readonly reason: ReleaseReason }
  /** A press with nothing to talk on. */
  | { readonly do: "nothing-selected" }
  /** The browser must not act on this key as well: no click, no scrolling. */
  | { readonly do: "swallow" };

export const idlePtt: PttState = { holds: {} };

/** The groups that are held by any source. */
export const keyedGroups = (state: PttState): readonly string[] => [
  ...new Set(Object.values(state.holds).flat()),
];

const swallow: PttEffect = { do: "swallow" };

export function stepPtt(state: PttState, event: PttEvent, settings: PttSettings): Step<PttState, PttEffect> {
  switch (event.type) {
    case "key-down":
      return keyDown(state, event, settings);
    case "key-up": {
      // macOS sends no key-up for other keys while Command is down, so its own key-up ends them all.
      if (event.code === "MetaLeft" || event.code === "MetaRight")
        return without(state, (source) => source.startsWith("key:"), "meta");
      const source = `key:${event.code}`;
      if (!(source in state.holds)) return { state, effects: [] };
      const { state: next, effects } = without(state, (held) => held === source, "released");
      // Some browsers click a focused button on the key-up of Space.
      return { state: next, effects: [swallow, ...effects] };
    }
    case "press":
      return press(state, event.source, event.groups);
    case "release":
      return without(state, (source) => source === event.source, event.reason ?? "released");
    case "release-all":
      return without(state, () => true, event.reason);
    case "drop-group": {
      const entries = Object.entries(state.holds).map(([source, groups]) => [
        source,
        groups.filter((group) => group !== event.group),
      ]);
      return changed(state, { holds: Object.fromEntries(entries) as PttState["holds"] }, "left");
    }
  }
}

function keyDown(
  state: PttState,
  { code, repeat, modified, focus, selected }: Extract<PttEvent, { type: "key-down" }>,
  settings: PttSettings,
): Step<PttState, PttEffect> {
  if (code === "Escape") {
    if (Object.keys(state.holds).length === 0) return { state, effects: [] };
    return without(state, () => true, "escape");
  }
  const groups = groupsOfKey(code, focus, selected, settings);
  if (!groups || modified) return { state, effects: [] };
  // The repeats of a key that was released by force must not key again, nor may they click or scroll.
  if (repeat) return { state, effects: [swallow] };
  const { state: next, effects } = press(state, `key:${code}`, groups);
  return { state: next, effects: [swallow, ...effects] };
}

/** What a key talks on from where the focus is; undefined when the key is not ours there. */
function groupsOfKey(
  code: string,
  focus: Focus,
  selected: readonly string[],
  settings: PttSettings,
): readonly string[] | undefined {
  if (settings.keys.includes(code)) return selected;
  const operates = code === "Space" || code === "Enter" || code === "NumpadEnter";
  if (operates && focus.in === "talk-button") return focus.groups;
  if (code === "Space" && settings.space && focus.in === "page") return selected;
  return undefined;
}

function press(state: PttState, source: string, groups: readonly string[]): Step<PttState, PttEffect> {
  if (source in state.holds) return { state, effects: [] };
  const step = changed(state, { holds: { ...state.holds, [source]: groups } }, "released");
  return groups.length > 0 ? step : { ...step, effects: [{ do: "nothing-selected" }] };
}

function without(
  state: PttState,
  matches: (source: string) => boolean,
  reason: ReleaseReason,
): Step<PttState, PttEffect> {
  const left = Object.entries(state.holds).filter(([source]) => !matches(source));
  return changed(state, { holds: Object.fromEntries(left) }, reason);
}

/** The groups that a change keys and unkeys. */
function changed(before: PttState, after: PttState, reason: ReleaseReason): Step<PttState, PttEffect> {
  const [was, is] = [keyedGroups(before), keyedGroups(after)];
  return {
    state: after,
    effects: [
      ...was
        .filter((group) => !is.includes(group))
        .map((group): PttEffect => ({ do: "unkey", group, reason })),
      ...is.filter((group) => !was.includes(group)).map((group): PttEffect => ({ do: "key", group })),
    ],
  };
}
