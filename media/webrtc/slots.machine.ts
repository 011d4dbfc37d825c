/**
 * Who is seen in which video slot of one browser. Pure: cameras are named by leg, slots by mid.
 *
 * A browser makes a receiver for each new camera in a slot and will not replace it again for half a second: a camera that comes
 * sooner stays black for a second or more. So each slot changes at most once in SWAP_MS, and what was wished in between
 * is forgotten for the newest wish.
 */

/** Shortest time between two cameras in one slot, in ms; 500 is the browser's own limit. */
export const SWAP_MS = 520;

export interface Slot {
  readonly mid: string;
  readonly camera: string | undefined;
  /** When a camera was last put here. */
  readonly filledMs: number;
}

export interface State {
  readonly slots: readonly Slot[];
  /** The cameras to be seen, most important first. */
  readonly wish: readonly string[];
}

export type Event =
  | { readonly type: "wish"; readonly cameras: readonly string[]; readonly nowMs: number }
  | { readonly type: "timer"; readonly nowMs: number }
  /** The lines on which the browser takes video now. */
  | { readonly type: "lines"; readonly mids: readonly string[]; readonly nowMs: number }
  /** A camera could not be shown, or its stream ended. */
  | { readonly type: "lost"; readonly mid: string; readonly nowMs: number };

export type Effect =
  | { readonly do: "show"; readonly mid: string; readonly camera: string }
  | { readonly do: "clear"; readonly mid: string }
  /** Send `timer` after this long; replaces the one before. */
  | { readonly do: "wait"; readonly ms: number };

export interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
}

export const noSlots: State = { slots: [], wish: [] };

export function step(state: State, event: Event): Step {
  switch (event.type) {
    case "wish":
      return fill({ ...state, wish: event.cameras }, event.nowMs);
    case "timer":
      return fill(state, event.nowMs);
    case "lines": {
      const known = new Map(state.slots.map((slot) => [slot.mid, slot]));
      const slots = event.mids.map((mid) => known.get(mid) ?? emptySlot(mid));
      const gone = state.slots.filter(({ mid, camera }) => camera !== undefined && !event.mids.includes(mid));
      const filled = fill({ ...state, slots }, event.nowMs);
      return {
        ...filled,
        effects: [...gone.map(({ mid }): Effect => ({ do: "clear", mid })), ...filled.effects],
      };
    }
    case "lost": {
      const slots = state.slots.map((slot) =>
        slot.mid === event.mid ? { ...slot, camera: undefined } : slot,
      );
      const lost = state.slots.find(({ mid }) => mid === event.mid)?.camera;
      return fill({ slots, wish: state.wish.filter((camera) => camera !== lost) }, event.nowMs);
    }
  }
}

const emptySlot = (mid: string): Slot => ({ mid, camera: undefined, filledMs: -Infinity });

/** Cameras stay where they are; those no longer among the wished leave; the missing take free slots that have rested. */
function fill(state: State, nowMs: number): Step {
  const effects: Effect[] = [];
  const wanted = state.wish.slice(0, state.slots.length);
  const slots = state.slots.map((slot) => {
    if (slot.camera === undefined || wanted.includes(slot.camera)) return slot;
    effects.push({ do: "clear", mid: slot.mid });
    return { ...slot, camera: undefined };
  });
  const shown = new Set(slots.map(({ camera }) => camera));
  const missing = wanted.filter((camera) => !shown.has(camera));
  // The first slot that has rested, so that the layout stays calm; else the one that may change soonest.
  const restMsOf = ({ filledMs }: Slot): number => Math.max(0, filledMs + SWAP_MS - nowMs);
  const free = slots.filter(({ camera }) => camera === undefined).sort((a, b) => restMsOf(a) - restMsOf(b));
  let waitMs = Infinity;
  const filled = new Map<string, Slot>();
  for (const [index, camera] of missing.entries()) {
    const slot = free[index];
    if (slot === undefined) break;
    const restMs = restMsOf(slot);
    if (restMs > 0) {
      waitMs = Math.min(waitMs, restMs);
      continue;
    }
    filled.set(slot.mid, { ...slot, camera, filledMs: nowMs });
    effects.push({ do: "show", mid: slot.mid, camera });
  }
  if (waitMs !== Infinity) effects.push({ do: "wait", ms: waitMs });
  return { state: { ...state, slots: slots.map((slot) => filled.get(slot.mid) ?? slot) }, effects };
}
