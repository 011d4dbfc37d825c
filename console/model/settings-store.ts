import { defaultSettings, type Settings } from "./console.state.ts";

const KEY = "crossband.settings";

/** The operator's choices from last time, as far as they still make sense. */
export function loadSettings(storage: Pick<Storage, "getItem">): Settings {
  try {
    const saved = JSON.parse(storage.getItem(KEY) ?? "{}") as Record<string, unknown>;
    const known = Object.entries(defaultSettings).filter(
      ([name, value]) => typeof saved[name] === typeof value,
    );
    const chosen = Object.fromEntries(known.map(([name]) => [name, saved[name]])) as Partial<Settings>;
    return { ...defaultSettings, ...chosen };
  } catch {
    return defaultSettings;
  }
}

export function saveSettings(storage: Pick<Storage, "setItem">, settings: Settings): void {
  try {
    storage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // A full or forbidden storage only means that choices last until the page closes.
  }
}
