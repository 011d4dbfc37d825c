import { describe, expect, it } from "vitest";
import { FLOOR_LEASE_MS, type GroupEvent, type GroupPolicy, type MemberKind } from "#common/media-control.ts";
import { silent } from "#common/log.ts";
import { FRAME_MS, FRAME_SAMPLES, type Frame } from "#media/bus/frame.ts";
import { toneMs } from "#media/bus/tones.ts";
import { FakeClock } from "#media/testing/fake-clock.ts";
import { fullDuplex, halfDuplex } from "#media/testing/policies.ts";
import type { FloorStanding, MediaLeg, MixFrame } from "./leg.ts";
import { TalkGroup } from "./talk-group.ts";

/** A leg that says a constant, and notes what it is told. */
class FakeLeg implements MediaLeg {
  readonly member;
  readonly camera = false;
  listens = true;
  heard = false;
  pulls = 0;
  bursts = 0;
  standing: FloorStanding = "none";
  played: MixFrame[] = [];
  says: number | undefined = 0;
  readonly id: string;

  constructor(id: string, kind: MemberKind = "phone", priority = 5) {
    this.id = id;
    this.member = { id, name: id, kind, priority };
  }

  negotiate() {
    return Promise.resolve({});
  }
  setHeard(heard: boolean) {
    this.heard = heard;
  }
  pull(): Frame | undefined {
    this.pulls++;
    return this.says === undefined ? undefined : new Int16Array(FRAME_SAMPLES).fill(this.says);
  }
  send(mix: MixFrame) {
    this.played.push(mix);
  }
  endBurst() {
    this.bursts++;
  }
  setFloor(standing: FloorStanding) {
    this.standing = standing;
  }
  everySecond() {
    // Nothing to keep alive.
  }
  close() {
    // Nothing to close.
  }
  /** The constants that it was played. */
  get levels(): number[] {
    return this.played.map(({ pcm }) => pcm[0] ?? 0);
  }
}

function groupOf(policy: GroupPolicy, ...legs: FakeLeg[]) {
  const clock = new FakeClock();
  const events: GroupEvent[] = [];
  const late: number[] = [];
  const host = {
    publish: (event: GroupEvent) => void events.push(event),
    changed: () => undefined,
    ended: () => undefined,
    count: () => undefined,
    late: (ms: number) => void late.push(ms),
  };
  const group = new TalkGroup(policy, host, clock, silent);
  for (const leg of legs) group.join(leg);
  return { group, clock, events, late };
}
const press = (
  group: TalkGroup,
  leg: string,
  hold: string,
  action: "request" | "renew" | "release" = "request",
) => group.console({ group: group.id, leg, hold, action });
const results = (events: readonly GroupEvent[]) =>
  events.flatMap((event) => (event.type === "floor-result" ? [`${event.leg} ${event.result}`] : []));
const TONE_BEATS = toneMs("grant") / FRAME_MS;

describe("a half-duplex group", () => {
  it("has no timer while nobody talks, and none again afterwards", () => {
    const [a, b] = [new FakeLeg("a"), new FakeLeg("b")];
    const { group, clock } = groupOf(halfDuplex("g"), a, b);
    expect(clock.armed).toBe(0);
    group.digit(a, "*");
    clock.advance(1_000);
    expect(clock.armed).toBeGreaterThan(0);
    group.digit(a, "#");
    expect(clock.armed).toBe(0);
    expect([a.bursts, b.bursts]).toEqual([1, 1]);
  });

  it("plays the holder to the others frame by frame, and to itself only the grant tone", () => {
    const [a, b, c] = [new FakeLeg("a"), new FakeLeg("b"), new FakeLeg("c", "radio")];
    a.says = 700;
    const { group, clock } = groupOf(halfDuplex("g"), a, b, c);
    group.digit(a, "*");
    clock.advance(380);
    expect(a.played).toHaveLength(TONE_BEATS);
    expect(b.levels).toEqual(Array(20).fill(700));
    expect(c.played).toEqual(b.played);
    expect(b.played.every(({ shared }) => shared)).toBe(true);
    expect(new Set(b.played.slice(1).map(({ atMs }, i) => atMs - (b.played[i]?.atMs ?? 0)))).toEqual(
      new Set([FRAME_MS]),
    );
  });

  it("decodes nobody but the holder", () => {
    const legs = Array.from({ length: 10 }, (_, i) => new FakeLeg(`p${i}`));
    const { group, clock } = groupOf(halfDuplex("g"), ...legs);
    const [first] = legs;
    if (first) group.digit(first, "*");
    clock.advance(180);
    expect(legs.map(({ pulls }) => pulls)).toEqual([10, ...Array<number>(9).fill(0)]);
  });

  it("encodes once a codec for all listeners", () => {
    const [a, b, c] = [new FakeLeg("a"), new FakeLeg("b"), new FakeLeg("c")];
    const { group, clock } = groupOf(halfDuplex("g"), a, b, c);
    group.digit(a, "*");
    clock.advance(20);
    expect(b.played[0]?.payload("pcmu")).toBe(c.played[0]?.payload("pcmu"));
    expect(b.played[0]?.payload("pcmu")).toHaveLength(160);
    expect(b.played[0]?.payload("l16")).toHaveLength(320);
    expect(b.played[0]?.payload("opus").length).toBeGreaterThan(0);
  });

  it("plays a refused phone busy in place of the talker, then the talker again", () => {
    const [a, b] = [new FakeLeg("a"), new FakeLeg("b")];
    a.says = 700;
    const { group, clock } = groupOf(halfDuplex("g"), a, b);
    group.digit(a, "*");
    clock.advance(100);
    group.digit(b, "*");
    expect([a.standing, b.standing]).toEqual(["granted", "refused"]);
    clock.advance(toneMs("busy"));
    expect(b.played.filter(({ shared }) => !shared)).toHaveLength(toneMs("busy") / FRAME_MS);
    clock.advance(40);
    expect(b.levels.slice(-2)).toEqual([700, 700]);
  });

  it("tells no tone to radios and consoles", () => {
    const [radio, console, phone] = [
      new FakeLeg("r", "radio"),
      new FakeLeg("c", "browser"),
      new FakeLeg("p"),
    ];
    const { group, clock } = groupOf(halfDuplex("g"), radio, console, phone);
    group.voice(radio, true);
    press(group, "c", "1");
    clock.advance(100);
    expect(radio.played).toEqual([]);
    expect(console.played.every(({ shared }) => shared)).toBe(true);
  });

  it("sends silence while the holder says nothing, and nothing to a leg that does not listen", () => {
    const [a, b, c] = [new FakeLeg("a"), new FakeLeg("b"), new FakeLeg("c")];
    a.says = undefined;
    c.listens = false;
    const { group, clock } = groupOf(halfDuplex("g"), a, b, c);
    group.digit(a, "*");
    clock.advance(40);
    expect([b.levels, c.played]).toEqual([[0, 0, 0], []]);
  });

  it("ignores voice of a phone in a dtmf group, digits in a vox group, and other keys", () => {
    const phone = new FakeLeg("p");
    const dtmf = groupOf(halfDuplex("g"), phone);
    dtmf.group.voice(phone, true);
    dtmf.group.digit(phone, "5");
    expect(dtmf.group.snapshot().floor.state).toBe("idle");
    const vox = groupOf(halfDuplex("g", { phonePtt: "vox" }), phone);
    vox.group.digit(phone, "*");
    expect(vox.group.snapshot().floor.state).toBe("idle");
    vox.group.voice(phone, true);
    expect(vox.group.snapshot().floor.state).toBe("taken");
  });

  it("frees the floor when its holder leaves in mid-sentence", () => {
    const [a, b] = [new FakeLeg("a"), new FakeLeg("b")];
    const { group, clock } = groupOf(halfDuplex("g"), a, b);
    group.digit(a, "*");
    clock.advance(100);
    group.leave("a");
    expect(group.snapshot()).toMatchObject({ floor: { state: "idle" }, participants: [{ leg: "b" }] });
    expect([clock.armed, b.bursts]).toEqual([0, 1]);
  });

  it("leaves out beats that it missed instead of playing old audio in a rush", () => {
    const [a, b] = [new FakeLeg("a"), new FakeLeg("b")];
    const { group, clock, late } = groupOf(halfDuplex("g"), a, b);
    group.digit(a, "*");
    clock.advance(100);
    clock.stall(500);
    clock.advance(100);
    expect(b.played.length).toBeLessThanOrEqual(13);
    expect(Math.max(...late)).toBeGreaterThan(400);
  });

  it("ignores a leg that has left, and one that never was in it", () => {
    const [a, stranger] = [new FakeLeg("a"), new FakeLeg("x")];
    const { group } = groupOf(halfDuplex("g"), a);
    group.leave("a");
    for (const leg of [a, stranger]) {
      group.voice(leg, true);
      group.digit(leg, "*");
      group.changed(leg);
      group.ended(leg, "silent");
    }
    expect(group.snapshot().floor.state).toBe("idle");
  });
});

describe("a console in a half-duplex group", () => {
  it("holds the floor by renewing and loses it FLOOR_LEASE_MS after the last renewal", () => {
    const [c, p] = [new FakeLeg("c", "browser"), new FakeLeg("p")];
    const { group, clock, events } = groupOf(halfDuplex("g"), c, p);
    expect(press(group, "c", "1")).toMatchObject({ outcome: "granted" });
    for (let i = 0; i < 5; i++) {
      clock.advance(1_000);
      expect(press(group, "c", "1", "renew")).toMatchObject({ outcome: "granted" });
    }
    clock.advance(FLOOR_LEASE_MS - 1);
    expect(c.heard).toBe(true);
    clock.advance(1);
    expect(c.heard).toBe(false);
    expect(results(events)).toEqual(["c expired"]);
    expect(press(group, "c", "1", "renew")).toMatchObject({ outcome: "released" });
  });

  it("is told busy and by whom, and granted at its next press when the floor is free", () => {
    const [c, p] = [new FakeLeg("c", "browser"), new FakeLeg("p")];
    const { group } = groupOf(halfDuplex("g"), c, p);
    group.digit(p, "*");
    expect(press(group, "c", "1")).toMatchObject({ outcome: "denied", cause: "busy", holder: { id: "p" } });
    expect(press(group, "c", "1", "renew")).toMatchObject({ outcome: "denied", cause: "busy" });
    group.digit(p, "#");
    expect(press(group, "c", "1", "release")).toMatchObject({ outcome: "released" });
    expect(press(group, "c", "2")).toMatchObject({ outcome: "granted" });
  });

  it("waits its turn in a group with a queue and is told when it comes", () => {
    const [c, p] = [new FakeLeg("c", "browser"), new FakeLeg("p")];
    const { group, events } = groupOf(halfDuplex("g", { queue: true }), c, p);
    group.digit(p, "*");
    expect(press(group, "c", "1")).toMatchObject({ outcome: "queued", position: 1, holder: { id: "p" } });
    expect(press(group, "c", "1", "renew")).toMatchObject({ outcome: "queued", position: 1 });
    group.digit(p, "#");
    expect([c.heard, results(events)]).toEqual([true, ["c granted"]]);
  });

  it("is warned 10 s before its limit, cut at it, and must press again", () => {
    const c = new FakeLeg("c", "browser");
    const { group, clock, events } = groupOf(halfDuplex("g", { maxTalkMs: 12_000 }), c);
    press(group, "c", "1");
    for (let i = 0; i < 12; i++) {
      clock.advance(1_000);
      press(group, "c", "1", "renew");
    }
    expect(results(events)).toEqual(["c limit-near", "c limit"]);
    expect(press(group, "c", "1")).toMatchObject({ outcome: "denied", cause: "limit" });
    expect(press(group, "c", "2")).toMatchObject({ outcome: "granted" });
  });

  it("is told who took the floor from it", () => {
    const [c, chief] = [new FakeLeg("c", "browser"), new FakeLeg("chief", "phone", 9)];
    const { group, events } = groupOf(halfDuplex("g"), c, chief);
    press(group, "c", "1");
    group.digit(chief, "*");
    expect(events).toContainEqual(
      expect.objectContaining({ type: "floor-result", result: "revoked", by: chief.member }),
    );
  });

  it("only listens when it is in another group or none", () => {
    expect(press(groupOf(halfDuplex("g")).group, "c", "1")).toMatchObject({
      outcome: "denied",
      cause: "listen-only",
    });
  });

  it("publishes a sequence that only grows, across a restart of the group too", () => {
    const [c, again] = [new FakeLeg("c", "browser"), new FakeLeg("c", "browser")];
    const { group, clock, events } = groupOf(halfDuplex("g"), c);
    for (let i = 0; i < 3; i++) {
      press(group, "c", String(i));
      clock.advance(50);
      press(group, "c", String(i), "release");
    }
    const seqs = events.flatMap((event) => (event.type === "floor" ? [event.floor.seq] : []));
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    expect(new Set(seqs).size).toBe(6);
    const host = {
      publish: () => undefined,
      changed: () => undefined,
      ended: () => undefined,
      count: () => undefined,
      late: () => undefined,
    };
    const later = new TalkGroup(halfDuplex("g"), host, clock, silent);
    later.join(again);
    expect(later.snapshot().floor.seq).toBeGreaterThan(seqs.at(-1) ?? 0);
  });
});

describe("a full-duplex group", () => {
  it("gives everyone the sum of the others, exactly, and listeners one shared mix", () => {
    const [a, b, c, d] = ["a", "b", "c", "d"].map((id) => new FakeLeg(id));
    if (!a || !b || !c || !d) throw new Error("four legs");
    [a.says, b.says] = [100, 2_000];
    const { group, clock } = groupOf(fullDuplex("g"), a, b, c, d);
    group.voice(a, true);
    group.voice(b, true);
    clock.advance(100);
    expect([a, b, c].map(({ levels }) => new Set(levels))).toEqual([
      new Set([2_000]),
      new Set([100]),
      new Set([2_100]),
    ]);
    expect(d.played).toEqual(c.played);
    expect(group.snapshot().talking).toEqual(["a", "b"]);
  });

  it("plays nothing to the only one who talks", () => {
    const [a, b] = [new FakeLeg("a"), new FakeLeg("b")];
    const { group, clock } = groupOf(fullDuplex("g"), a, b);
    group.voice(a, true);
    clock.advance(100);
    expect([a.played.length, b.played.length]).toEqual([0, 6]);
  });

  it("subtracts a talker exactly where the sum would clip", () => {
    const legs = ["a", "b", "c"].map((id) => new FakeLeg(id));
    for (const leg of legs) leg.says = 15_000;
    const { group, clock } = groupOf(fullDuplex("g"), ...legs);
    for (const leg of legs) group.voice(leg, true);
    clock.advance(100);
    expect(legs.map(({ levels }) => levels.at(-1))).toEqual([30_000, 30_000, 30_000]);
  });

  it("stops its beat when the last one falls silent, and tells that nobody talks", () => {
    const [a, b] = [new FakeLeg("a"), new FakeLeg("b")];
    const { group, clock, events } = groupOf(fullDuplex("g"), a, b);
    group.voice(a, true);
    clock.advance(100);
    group.voice(a, false);
    expect([clock.armed, b.bursts]).toEqual([0, 1]);
    expect(events.at(-1)).toEqual({ type: "talking", group: "g", talking: [] });
  });

  it("stops its beat when the only talker leaves", () => {
    const [a, b] = [new FakeLeg("a"), new FakeLeg("b")];
    const { group, clock } = groupOf(fullDuplex("g"), a, b);
    group.voice(a, true);
    group.leave("a");
    expect(clock.armed).toBe(0);
  });

  it("lets consoles talk without asking", () => {
    const { group } = groupOf(fullDuplex("g"), new FakeLeg("c", "browser"));
    expect(press(group, "c", "1")).toMatchObject({ outcome: "granted" });
    expect(press(group, "c", "1", "release")).toMatchObject({ outcome: "released" });
  });
});
