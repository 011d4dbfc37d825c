import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Member } from "#common/media-control.ts";
import {
  ANSWER_MS,
  idleTalk,
  LEASE_MS,
  stepTalk,
  type TalkEffect,
  type TalkEvent,
  type TalkState,
} from "./talk.machine.ts";

const engine7: Member = { id: "engine-7", name: "Engine 7", kind: "radio", priority: 5 };
const asking: TalkState = { name: "asking", hold: "h1", sinceMs: 0 };
const queued: TalkState = { name: "queued", hold: "h1", position: 2, holder: engine7 };
const granted: TalkState = { name: "granted", hold: "h1", sinceMs: 0, renewedMs: 0, limitNear: false };
const refused: TalkState = { name: "refused", hold: "h1", cause: "busy", holder: engine7 };
const cut: TalkState = { name: "cut", hold: "h1", cause: "revoked", by: engine7 };

type Answer = Extract<TalkEvent, { type: "answer" }>["answer"];
const answer = (value: Answer, hold = "h1"): TalkEvent => ({
  type: "answer",
  hold,
  answer: value,
  nowMs: 10,
});
const result = (value: Extract<TalkEvent, { type: "result" }>["result"], hold = "h1"): TalkEvent => ({
  type: "result",
  hold,
  result: value,
  nowMs: 10,
  by: engine7,
});
const grant: Answer = { outcome: "granted", seq: 1, untilMs: 3_000 };
const busy: Answer = { outcome: "denied", seq: 1, cause: "busy", holder: engine7 };
const tick = (nowMs: number): TalkEvent => ({ type: "tick", nowMs });
const release: TalkEvent = { type: "release" };

const word = (effect: TalkEffect): string => {
  switch (effect.do) {
    case "send":
      return `${effect.action} ${effect.hold}`;
    case "microphone":
      return effect.open ? "open" : "shut";
    case "cue":
      return effect.cue;
    case "hush":
      return "hush";
  }
};

describe("a press on a half-duplex group", () => {
  // prettier-ignore
  const rows: [title: string, from: TalkState, event: TalkEvent, to: TalkState["name"], effects: string[]][] = [
    ["idle --press--> asking", idleTalk, { type: "press", hold: "h1", nowMs: 0 }, "asking", ["request h1"]],
    ["asking --granted--> granted, the microphone follows the grant", asking, answer(grant), "granted", ["open", "permit"]],
    ["asking --queued--> queued", asking, answer({ outcome: "queued", seq: 1, position: 1, holder: engine7 }), "queued", ["queued"]],
    ["asking --denied--> refused, with the low tone", asking, answer(busy), "refused", ["busy"]],
    ["asking --failed--> refused", asking, answer({ outcome: "failed", cause: "no-media" }), "refused", ["busy"]],
    ["asking --release--> idle", asking, release, "idle", ["release h1"]],
    ["asking --no answer in time--> refused", asking, tick(ANSWER_MS), "refused", ["release h1", "busy"]],
    ["asking --tick before that--> asking", asking, tick(1_000), "asking", []],
    ["asking --link lost--> refused", asking, { type: "link-lost" }, "refused", ["busy"]],
    ["queued --granted later--> granted", queued, result("granted"), "granted", ["open", "permit"]],
    ["queued --tick--> queued, kept alive", queued, tick(1_000), "queued", ["renew h1"]],
    ["queued --release--> idle, leaves the queue", queued, release, "idle", ["release h1"]],
    ["granted --release--> idle, microphone first", granted, release, "idle", ["shut", "release h1"]],
    ["granted --tick--> granted, renewed", granted, tick(1_000), "granted", ["renew h1"]],
    ["granted --no renewal got through for a lease--> cut", granted, tick(LEASE_MS + 1), "cut", ["shut", "cut"]],
    ["granted --one failed renewal--> granted", granted, answer({ outcome: "failed", cause: "no-media" }), "granted", []],
    ["granted --revoked--> cut, microphone first", granted, result("revoked"), "cut", ["shut", "cut"]],
    ["granted --limit near--> granted, warned", granted, result("limit-near"), "granted", ["limit"]],
    ["granted --limit--> cut", granted, result("limit"), "cut", ["shut", "limit"]],
    ["granted --link lost--> cut", granted, { type: "link-lost" }, "cut", ["shut", "cut"]],
    ["granted --denied on renewal--> cut", granted, answer(busy), "cut", ["shut", "cut"]],
    ["refused --release--> idle, tone ends", refused, release, "idle", ["hush"]],
    ["cut --release--> idle", cut, release, "idle", ["hush"]],
    ["cut --late grant of the same press--> cut, given back", cut, answer(grant), "cut", ["release h1"]],
  ];
  it.each(rows)("%s", (_title, from, event, name, effects) => {
    const step = stepTalk(from, event);
    expect(step?.state.name).toBe(name);
    expect(step?.effects.map(word)).toEqual(effects);
  });

  it("gives a grant back that arrives after the release", () => {
    expect(stepTalk(idleTalk, answer(grant))?.effects.map(word)).toEqual(["release h1"]);
    expect(stepTalk(idleTalk, result("granted"))?.effects.map(word)).toEqual(["release h1"]);
  });

  it("is not opened by the grant of an older press", () => {
    const step = stepTalk({ ...asking, hold: "h2" }, answer(grant, "h1"));
    expect(step?.state.name).toBe("asking");
    expect(step?.effects.map(word)).toEqual(["release h1"]);
  });

  it("is not ended by the revocation of an older press", () => {
    expect(stepTalk({ ...granted, hold: "h2" }, result("revoked", "h1"))?.state.name).toBe("granted");
  });

  it("names who holds the floor when it is refused", () => {
    expect(stepTalk(asking, answer(busy))?.state).toMatchObject({ cause: "busy", holder: engine7 });
  });
});

it("has the microphone open exactly while granted, in any order of events", () => {
  const hold = fc.constantFrom("h1", "h2");
  const event: fc.Arbitrary<TalkEvent> = fc.oneof(
    hold.map((name): TalkEvent => ({ type: "press", hold: name, nowMs: 0 })),
    fc.constant(release),
    fc.constant<TalkEvent>({ type: "link-lost" }),
    fc.nat(6_000).map(tick),
    fc
      .tuple(
        fc.constantFrom<Answer>(
          grant,
          busy,
          { outcome: "queued", seq: 1, position: 1, holder: engine7 },
          { outcome: "released", seq: 2 },
        ),
        hold,
      )
      .map(([value, name]) => answer(value, name)),
    fc
      .tuple(
        fc.constantFrom("granted" as const, "revoked" as const, "limit" as const, "expired" as const),
        hold,
      )
      .map(([value, name]) => result(value, name)),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80 }), (events) => {
      let state: TalkState = idleTalk;
      let isOpen = false;
      for (const next of events) {
        const step = stepTalk(state, next);
        if (!step) continue;
        for (const effect of step.effects) if (effect.do === "microphone") isOpen = effect.open;
        state = step.state;
        expect(isOpen).toBe(state.name === "granted");
      }
    }),
  );
});
