import type { Producer } from "mediasoup/types";
import { beforeEach, describe, expect, it } from "vitest";
import type { Clock } from "#common/clock.ts";
import { SWAP_MS } from "./slots.machine.ts";
import { VideoRoom, type Viewer } from "./video-room.ts";

let nowMs = 0;
let timers: { atMs: number; task: () => void }[] = [];
const clock: Clock = {
  now: () => nowMs,
  after: (ms, task) => {
    const timer = { atMs: nowMs + ms, task };
    timers.push(timer);
    return () => void (timers = timers.filter((other) => other !== timer));
  },
};
function pass(ms: number): void {
  nowMs += ms;
  const due = timers.filter(({ atMs }) => atMs <= nowMs);
  timers = timers.filter((timer) => !due.includes(timer));
  for (const { task } of due) task();
}

/** A browser whose slots are a record of what was put there. */
class FakeViewer implements Viewer {
  readonly id: string;
  cameraProducer: Producer | undefined;
  openSlots = ["2"];
  readonly shown = new Map<string, string>();
  readonly announced: (string | undefined)[][] = [];
  failing = false;
  lose: (() => void) | undefined;

  constructor(id: string, camera = false) {
    this.id = id;
    // The room only hands it on.
    if (camera) this.cameraProducer = Object.create(null, { id: { value: id } }) as Producer;
  }

  get participant() {
    return { id: this.id, name: this.id, kind: "browser" as const, priority: 1, leg: this.id, camera: true };
  }

  show(mid: string, camera: Producer, onLost: () => void): Promise<void> {
    if (this.failing) return Promise.reject(new Error("worker is gone"));
    this.shown.set(mid, camera.id);
    this.lose = onLost;
    return Promise.resolve();
  }

  clear(mid: string): void {
    this.shown.delete(mid);
  }

  announce(slots: readonly { readonly from?: { readonly leg: string } }[]): void {
    this.announced.push(slots.map(({ from }) => from?.leg));
  }
}

function roomOf(...viewers: FakeViewer[]): VideoRoom {
  const room = new VideoRoom(clock);
  for (const viewer of viewers) room.join(viewer);
  room.refresh();
  return room;
}

beforeEach(() => {
  nowMs = 0;
  timers = [];
});

describe("a room's cameras", () => {
  it("are shown to the others and never to their own browser", () => {
    const [a, b] = [new FakeViewer("a", true), new FakeViewer("b")];
    roomOf(a, b);
    expect(b.shown.get("2")).toBe("a");
    expect(a.shown.size).toBe(0);
    expect(b.announced).toEqual([["a"]]);
  });

  it("of the latest talker take the last slot, not sooner than it has rested", () => {
    const [a, b, c] = [new FakeViewer("a", true), new FakeViewer("b", true), new FakeViewer("c")];
    const room = roomOf(a, b, c);
    pass(100);
    room.talks(b);
    expect(c.shown.get("2")).toBeUndefined();
    pass(SWAP_MS - 100);
    expect(c.shown.get("2")).toBe("b");
    expect(c.announced.at(-1)).toEqual(["b"]);
  });

  it("go from the slots when their browser leaves or switches them off", () => {
    const [a, b] = [new FakeViewer("a", true), new FakeViewer("b")];
    const room = roomOf(a, b);
    room.leave(a);
    expect(b.shown.size).toBe(0);
    expect(b.announced.at(-1)).toEqual([undefined]);
    expect(room.size).toBe(1);
  });

  it("that cannot be shown leave an empty slot, and are tried again at the next change", async () => {
    const [a, b] = [new FakeViewer("a", true), new FakeViewer("b")];
    b.failing = true;
    const room = roomOf(a, b);
    await Promise.resolve();
    await Promise.resolve();
    expect(b.announced.at(-1)).toEqual([undefined]);
    b.failing = false;
    pass(SWAP_MS);
    room.refresh();
    expect(b.shown.get("2")).toBe("a");
  });

  it("whose stream ended late do not clear what is shown by then", () => {
    const [a, b, c] = [new FakeViewer("a", true), new FakeViewer("b", true), new FakeViewer("c")];
    const room = roomOf(a, b, c);
    const lost = c.lose;
    pass(SWAP_MS);
    room.talks(b);
    expect(c.shown.get("2")).toBe("b");
    lost?.();
    expect(c.shown.get("2")).toBe("b");
  });

  it("leave no timer behind when their viewer leaves", () => {
    const [a, b, c] = [new FakeViewer("a", true), new FakeViewer("b", true), new FakeViewer("c")];
    const room = roomOf(a, b, c);
    room.talks(b);
    room.leave(c);
    room.leave(a);
    room.leave(b);
    expect(timers).toEqual([]);
  });
});
