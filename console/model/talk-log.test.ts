import { expect, it } from "vitest";
import { newGroup, type GroupState } from "./console.state.ts";
import { withTalk } from "./talk-log.ts";

const card = {
  id: "fire-2",
  name: "Fire 2",
  agency: { id: "f", name: "F" },
  mode: "half-duplex",
  maxTalkMs: 60_000,
  queue: false,
} as const;
const quiet = newGroup(card);
const talking = (name: string, leg: string): GroupState => ({
  ...quiet,
  floor: { state: "taken", seq: 1, leg, holder: { id: leg, name, kind: "radio", priority: 5 }, sinceMs: 0 },
});

it("begins an entry when somebody talks and ends it when they stop", () => {
  const begun = withTalk([], quiet, talking("Engine 7", "a"), 10);
  expect(begun).toEqual([{ id: 1, group: "fire-2", who: "Engine 7", atMs: 10 }]);
  expect(withTalk(begun, talking("Engine 7", "a"), quiet, 30)).toEqual([
    { id: 1, group: "fire-2", who: "Engine 7", atMs: 10, endMs: 30 },
  ]);
});

it("puts the newest first when one talker takes over from another", () => {
  const first = withTalk([], quiet, talking("Engine 7", "a"), 10);
  const second = withTalk(first, talking("Engine 7", "a"), talking("Chief 1", "b"), 20);
  expect(second.map(({ who, endMs }) => [who, endMs])).toEqual([
    ["Chief 1", undefined],
    ["Engine 7", 20],
  ]);
});

it("keeps the newest five hundred", () => {
  let log = withTalk([], quiet, quiet, 0);
  for (let i = 0; i < 600; i++) log = withTalk(log, quiet, talking(`Unit ${i}`, `leg-${i}`), i);
  expect([log.length, log[0]?.who, log.at(-1)?.who]).toEqual([500, "Unit 599", "Unit 100"]);
});
