import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  idlePtt,
  keyedGroups,
  stepPtt,
  type Focus,
  type PttEffect,
  type PttEvent,
  type PttSettings,
  type PttState,
} from "./ptt.machine.ts";

const settings: PttSettings = { keys: ["F8", "F13"], space: true };
const page: Focus = { in: "page" };

const down = (code: string, more: Partial<Extract<PttEvent, { type: "key-down" }>> = {}): PttEvent => ({
  type: "key-down",
  code,
  repeat: false,
  modified: false,
  focus: page,
  selected: ["fire-1"],
  ...more,
});
const up = (code: string): PttEvent => ({ type: "key-up", code });
const press = (source: string, ...groups: string[]): PttEvent => ({ type: "press", source, groups });
const release = (source: string): PttEvent => ({ type: "release", source });
const all = (reason: Extract<PttEvent, { type: "release-all" }>["reason"]): PttEvent => ({
  type: "release-all",
  reason,
});

const run = (events: readonly PttEvent[], using = settings) => {
  let state: PttState = idlePtt;
  const effects: PttEffect[] = [];
  for (const event of events) {
    const step = stepPtt(state, event, using);
    state = step.state;
    effects.push(...step.effects);
  }
  return { state, effects, keyed: keyedGroups(state) };
};
const words = (effects: readonly PttEffect[]) =>
  effects.map((effect) => ("group" in effect ? `${effect.do} ${effect.group}` : effect.do));

describe("the twenty ways in which a microphone stayed open", () => {
  // Each row is what Chromium sends in that case; after it nothing may be keyed.
  // prettier-ignore
  const rows: [title: string, events: PttEvent[]][] = [
    ["key repeat while held", [down("F8"), down("F8", { repeat: true }), down("F8", { repeat: true }), up("F8")]],
    ["focus moves to a field while F8 is held", [down("F8"), down("F8", { repeat: true, focus: { in: "text" } }), up("F8")]],
    ["focus moves to a field while Space is held", [down("Space"), down("Space", { repeat: true, focus: { in: "text" } }), up("Space")]],
    ["Space typed in a field", [down("Space", { focus: { in: "text" } }), up("Space")]],
    ["F8 pressed in a field", [down("F8", { focus: { in: "text" } }), up("F8")]],
    ["Space with a button focused", [down("Space", { focus: { in: "control" } }), up("Space")]],
    ["a modifier pressed in the middle of a hold", [down("F8"), down("ControlLeft", { modified: true }), down("F8", { repeat: true, modified: true }), up("F8")]],
    ["an iframe takes the focus and the key-up never comes", [down("F8"), all("blur")]],
    ["a dialog opens and the key-up arrives inside it", [down("F8"), up("F8")]],
    ["another tab comes to the front", [down("F8"), all("blur"), all("hidden")]],
    ["Escape", [down("F8"), down("Escape")]],
    ["repeats of the key go on after Escape", [down("F8"), down("Escape"), down("F8", { repeat: true }), down("F8", { repeat: true })]],
    ["the mouse slides off the button and is released elsewhere", [press("pointer:1", "fire-1"), release("pointer:1")]],
    ["the mouse is released outside the window", [press("pointer:1", "fire-1"), all("blur"), release("pointer:1")]],
    ["the button leaves the page while it is held", [press("pointer:1", "fire-1"), release("pointer:1")]],
    ["two sources, released in the order they came", [down("F8"), press("pointer:1", "fire-1"), up("F8"), release("pointer:1")]],
    ["two sources, released in the other order", [down("F8"), press("pointer:1", "fire-1"), release("pointer:1"), up("F8")]],
    ["the page changes while a key is held", [down("F8"), all("hidden"), up("F8")]],
    ["a touch slides and ends", [press("pointer:7", "fire-1"), release("pointer:7")]],
    ["a touch is cancelled by the browser", [press("pointer:7", "fire-1"), { type: "release", source: "pointer:7", reason: "device" }]],
  ];
  it.each(rows)("%s: nothing stays keyed", (_title, events) => {
    expect(run(events).keyed).toEqual([]);
  });
});

describe("pressing", () => {
  it("keys the selected groups once, however often the key repeats", () => {
    const { effects } = run([down("F8", { selected: ["a", "b"] }), down("F8", { repeat: true })]);
    expect(words(effects)).toEqual(["swallow", "key a", "key b", "swallow"]);
  });

  it("stays keyed while one of two sources is held", () => {
    const { keyed, effects } = run([down("F8"), press("pointer:1", "fire-1"), up("F8")]);
    expect(keyed).toEqual(["fire-1"]);
    expect(words(effects)).not.toContain("unkey fire-1");
  });

  it("keeps the groups it was pressed for when the selection changes", () => {
    const { effects } = run([
      down("F8", { selected: ["a"] }),
      down("F8", { repeat: true, selected: ["b"] }),
      up("F8"),
    ]);
    expect(words(effects)).toEqual(["swallow", "key a", "swallow", "swallow", "unkey a"]);
  });

  it("talks from inside a text field with a function key", () => {
    expect(run([down("F8", { focus: { in: "text" } })]).keyed).toEqual(["fire-1"]);
  });

  it("types a space in a text field and never talks", () => {
    expect(run([down("Space", { focus: { in: "text" } })])).toMatchObject({ keyed: [], effects: [] });
  });

  it("leaves Space to a control that was reached by keyboard", () => {
    expect(run([down("Space", { focus: { in: "control" } })])).toMatchObject({ keyed: [], effects: [] });
  });

  it("does not talk by Space unless the operator chose it", () => {
    expect(run([down("Space")], { ...settings, space: false }).keyed).toEqual([]);
  });

  it("holds a focused talk button with Space or Enter", () => {
    const focus: Focus = { in: "talk-button", groups: ["ems-a"] };
    for (const code of ["Space", "Enter"])
      expect(run([down(code, { focus })], { ...settings, space: false }).keyed).toEqual(["ems-a"]);
  });

  it("ignores a key with a modifier down", () => {
    expect(run([down("F8", { modified: true })]).keyed).toEqual([]);
  });

  it("says so when nothing is selected, and still swallows the key", () => {
    expect(words(run([down("F8", { selected: [] })]).effects)).toEqual(["swallow", "nothing-selected"]);
  });

  it("presses again at once after a release: there is no cooldown", () => {
    expect(run([down("F8"), up("F8"), down("F8")]).keyed).toEqual(["fire-1"]);
  });
});

describe("releasing", () => {
  it("does not look at modifiers, so Ctrl at release does not keep the microphone open", () => {
    expect(words(run([down("F8"), up("F8")]).effects)).toContain("unkey fire-1");
  });

  it("by the Meta key ends every key hold, and no pointer's", () => {
    expect(run([down("F8"), press("pointer:1", "ems-a"), up("MetaLeft")]).keyed).toEqual(["ems-a"]);
  });

  it("a source that holds nothing changes nothing", () => {
    expect(run([up("F8"), release("pointer:9"), all("blur")])).toMatchObject({ keyed: [], effects: [] });
  });

  it("leaving a group ends only its part of a hold", () => {
    const { keyed, effects } = run([
      down("F8", { selected: ["a", "b"] }),
      { type: "drop-group", group: "a" },
    ]);
    expect(keyed).toEqual(["b"]);
    expect(effects).toContainEqual({ do: "unkey", group: "a", reason: "left" });
  });

  it("Escape with nothing held is left to the page", () => {
    expect(run([down("Escape")]).effects).toEqual([]);
  });
});

describe("any order of events", () => {
  const source = fc.constantFrom("F8", "F13", "Space");
  const anyEvent: fc.Arbitrary<PttEvent> = fc.oneof(
    fc
      .record({ code: source, repeat: fc.boolean(), modified: fc.boolean() })
      .map(({ code, ...more }) => down(code, more)),
    source.map(up),
    fc.constantFrom(
      press("pointer:1", "fire-1"),
      press("pointer:2", "ems-a"),
      release("pointer:1"),
      release("pointer:2"),
    ),
    fc.constantFrom(all("blur"), all("hidden"), down("Escape"), up("MetaLeft")),
  );

  it("keys and unkeys each group in turn, so that the effects add up to the state", () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 60 }), (events) => {
        const { effects, keyed } = run(events);
        const open = new Set<string>();
        for (const effect of effects) {
          if (effect.do === "key") {
            expect(open.has(effect.group)).toBe(false);
            open.add(effect.group);
          }
          if (effect.do === "unkey") expect(open.delete(effect.group)).toBe(true);
        }
        expect([...open].sort()).toEqual([...keyed].sort());
      }),
    );
  });

  it("ends closed after a blur, whatever came before", () => {
    fc.assert(
      fc.property(fc.array(anyEvent), (events) => {
        expect(run([...events, all("blur")]).keyed).toEqual([]);
      }),
    );
  });
});
