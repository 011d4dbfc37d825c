import { describe, expect, it } from "vitest";
import { HANG_MS, quiet, step } from "./voice.machine.ts";

const packet = (nowMs: number, quietness: number | undefined, bytes = 80) =>
  ({ type: "packet", nowMs, bytes, quietness }) as const;

describe("speech on a browser's microphone", () => {
  it("begins with the first loud packet", () => {
    expect(step(quiet, packet(0, 30)).active).toBe(true);
  });

  it("goes on through a pause between words", () => {
    const speaking = step(quiet, packet(0, 30));
    expect(step(speaking, packet(HANG_MS - 20, 90)).active).toBe(true);
  });

  it("ends after a pause, told by packets or by their absence", () => {
    const speaking = step(quiet, packet(0, 30));
    expect(step(speaking, packet(HANG_MS, 90)).active).toBe(false);
    expect(step(speaking, { type: "tick", nowMs: HANG_MS }).active).toBe(false);
  });

  it("is not a quiet room, nor a muted track that goes on sending", () => {
    expect(step(quiet, packet(0, 65)).active).toBe(false);
    expect(step(quiet, packet(0, 127, 3)).active).toBe(false);
  });

  it("is told by the packet's length when there is no level", () => {
    expect(step(quiet, packet(0, undefined, 60)).active).toBe(true);
    expect(step(quiet, packet(0, undefined, 3)).active).toBe(false);
  });
});
