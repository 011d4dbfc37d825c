import { describe, expect, it } from "vitest";
import type { Member, Participant } from "#common/media-control.ts";
import { newGroup, type GroupState, type LinkState } from "./console.state.ts";
import { withEvent } from "./group-events.ts";
import { refusalText } from "./refusal-text.ts";
import { clockText, viewStrip, type StripLook } from "./strip.ts";

const card = {
  id: "fire-2",
  name: "Fire 2",
  agency: { id: "f", name: "County Fire" },
  mode: "half-duplex",
  maxTalkMs: 60_000,
  queue: false,
} as const;
const engine7: Member = { id: "engine-7", name: "Engine 7", kind: "radio", priority: 5 };
const live: LinkState = { name: "live" };
const joined: GroupState = { ...newGroup(card), call: { name: "in", leg: "ours" } };
const taken = { state: "taken", seq: 2, leg: "theirs", holder: engine7, sinceMs: 1_000 } as const;
const receiving: GroupState = { ...joined, floor: taken };
const duplex: GroupState = { ...joined, card: { ...card, mode: "full-duplex" } };
const people: Participant[] = [
  { ...engine7, leg: "theirs", camera: false },
  { id: "ems", name: "Medic 4", kind: "phone", priority: 5, leg: "third", camera: false },
];

describe("what a strip shows", () => {
  // prettier-ignore
  const rows: [title: string, group: GroupState, link: LinkState, selected: boolean, look: StripLook, word: string, detail: string][] = [
    ["a group that was not joined", newGroup(card), live, false, "out", "Not joined", ""],
    ["who talks there, joined or not", { ...newGroup(card), floor: taken }, live, false, "receiving", "Engine 7", ""],
    ["quiet", joined, live, false, "idle", "Quiet", ""],
    ["selected", joined, live, true, "selected", "Selected", ""],
    ["who talked last", { ...joined, last: { name: "Engine 7", atMs: 0 } }, live, false, "idle", "Quiet", "was Engine 7, 2 min"],
    ["asking", { ...joined, talk: { name: "asking", hold: "h", sinceMs: 0 } }, live, true, "asking", "Asking…", ""],
    ["on air only with a grant", { ...joined, talk: { name: "granted", hold: "h", sinceMs: 0, renewedMs: 0, limitNear: false } }, live, true, "on-air", "ON AIR", ""],
    ["the place in the queue and who talks", { ...receiving, talk: { name: "queued", hold: "h", position: 2, holder: engine7 } }, live, true, "queued", "QUEUED 2", "Engine 7 talking"],
    ["busy and who talks, although it also receives", { ...receiving, talk: { name: "refused", hold: "h", cause: "busy", holder: engine7 } }, live, true, "busy", "BUSY", "Engine 7 talking"],
    ["who cut us off", { ...receiving, talk: { name: "cut", hold: "h", cause: "revoked", by: engine7 } }, live, true, "cut", "CUT", "Engine 7"],
    ["the talk limit", { ...joined, talk: { name: "cut", hold: "h", cause: "limit" } }, live, true, "limit", "LIMIT", ""],
    ["our own voice is not received", { ...joined, floor: { ...taken, leg: "ours" } }, live, false, "idle", "Quiet", ""],
    ["muted with traffic", { ...receiving, muted: true }, live, false, "muted", "Engine 7", "MUTED"],
    ["muted and quiet", { ...joined, muted: true }, live, false, "muted", "MUTED", ""],
    ["an open line with a shut microphone", duplex, live, true, "selected", "Selected", "Mic muted"],
    ["an open line with an open microphone", { ...duplex, microphoneMuted: false }, live, true, "open-microphone", "MIC OPEN", ""],
    ["how many talk on an open line", { ...duplex, participants: people, talking: ["theirs", "third", "ours"] }, live, true, "receiving", "2 talking", ""],
    ["a lost call", { ...joined, call: { name: "lost", sinceMs: 0 } }, live, true, "disconnected", "NO LINK", ""],
    ["no link above all else", { ...receiving, talk: { name: "asking", hold: "h", sinceMs: 0 } }, { name: "offline", sinceMs: 0 }, true, "disconnected", "NO LINK", ""],
    ["stale news", receiving, { name: "stale", sinceMs: 0 }, true, "stale", "OLD", ""],
  ];
  it.each(rows)("%s", (_title, group, link, selected, look, word, detail) => {
    expect(viewStrip(group, link, selected, 120_000)).toMatchObject({ look, word, detail });
  });
});

describe("events of a group", () => {
  it("of an older floor change nothing", () => {
    const event = { type: "floor", group: "fire-2", floor: { state: "idle", seq: 1 } } as const;
    expect(withEvent(receiving, event, 0)).toBe(receiving);
  });

  it("count each transmission that a muted strip missed, and un-muting starts anew", () => {
    const begin = { type: "floor", group: "fire-2", floor: taken } as const;
    const end = { type: "floor", group: "fire-2", floor: { state: "idle", seq: 3 } } as const;
    const again = { ...begin, floor: { ...taken, seq: 4 } };
    const group = [begin, end, again].reduce((state, event) => withEvent(state, event, 5), {
      ...joined,
      muted: true,
    });
    expect(group.missed).toBe(2);
    expect(
      withEvent({ ...group, muted: false }, { ...end, floor: { state: "idle", seq: 5 } }, 6).missed,
    ).toBe(0);
  });

  it("remember who talked last", () => {
    const group = withEvent(
      receiving,
      { type: "floor", group: "fire-2", floor: { state: "idle", seq: 3 } },
      77,
    );
    expect(group.last).toEqual({ name: "Engine 7", atMs: 77 });
  });

  it("of another leg's video change nothing", () => {
    const event = { type: "video", group: "fire-2", leg: "theirs", slots: [{ mid: "2" }] } as const;
    expect(withEvent(joined, event, 0).slots).toEqual([]);
    expect(withEvent(joined, { ...event, leg: "ours" }, 0).slots).toEqual([{ mid: "2" }]);
  });
});

describe("a refused press", () => {
  it("names the group, who talks and what to do", () => {
    expect(refusalText(card, { name: "refused", hold: "h", cause: "busy", holder: engine7 })).toBe(
      "Fire 2 is busy: Engine 7 is talking. Release, wait, press again.",
    );
  });

  it("by the talk limit says how long that is", () => {
    expect(refusalText(card, { name: "cut", hold: "h", cause: "limit" })).toBe(
      "60 s limit on Fire 2. Release, then press again.",
    );
  });

  it("has no text while nothing was refused", () => {
    expect(refusalText(card, { name: "idle" })).toBeUndefined();
  });
});

it.each([
  [0, "0:00"],
  [7_900, "0:07"],
  [61_000, "1:01"],
  [-5, "0:00"],
])("shows %i ms as %s", (ms, text) => {
  expect(clockText(ms)).toBe(text);
});
