import { describe, expect, it } from "vitest";
import type { Ladder, LadderMessage } from "#signaling/inspect/index.ts";
import { ASCII, drawLadder, UNICODE } from "./draw-ladder.ts";

const message = (change: Partial<LadderMessage>): LadderMessage => ({
  kind: "message", atUs: 1_000_000, from: 0, to: 1, label: "INVITE", cseq: "1", hasSdp: false, transport: "udp",
  instance: 0, repeats: [], text: "", ...change,
}); // prettier-ignore
const ladder = (change: Partial<Ladder> = {}): Ladder => ({
  startUs: 1_000_000,
  parties: [
    { leg: 0, title: "alice", address: "192.0.2.1:5060" },
    { leg: undefined, title: "crossband", address: "" },
    { leg: 1, title: "bob", address: "192.0.2.2:5060" },
  ],
  instances: ["signaling-1-aaaaaa", "signaling-2-bbbbbb"],
  rows: [
    message({ hasSdp: true }),
    message({ atUs: 1_001_204, from: 1, to: 2, hasSdp: true }),
    message({ atUs: 1_050_000, from: 2, to: 1, label: "180 Ringing", cseq: "1 INVITE" }),
    { kind: "mark", atUs: 2_500_000, instance: 1, mark: "adopted", detail: "signaling-1-aaaaaa" },
    message({ atUs: 2_600_000, from: 1, to: 0, label: "200 OK", cseq: "1 INVITE", instance: 1, repeats: [3_100_000, 4_100_000] }),
    message({ atUs: 4_200_000, label: "ACK", instance: 1 }),
  ],
  lost: 0,
  ...change,
}); // prettier-ignore

describe("drawing a ladder", () => {
  it("fits 80 columns in plain characters", () => {
    const lines = drawLadder(ladder(), { width: 80, strokes: ASCII });
    expect(lines.join("\n")).toMatchSnapshot();
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
    expect(lines.join("")).toMatch(/^[\x20-\x7e]*$/);
  });

  it("draws lines where the terminal can", () => {
    expect(drawLadder(ladder(), { width: 80, strokes: UNICODE }).join("\n")).toContain("───►│");
  });

  it("draws the legs that fit, or those that were asked for, and says how many it did not", () => {
    const parties = [
      ...ladder().parties,
      ...[2, 3, 4, 5, 6].map((leg) => ({ leg, title: `leg-${leg}`, address: "192.0.2.3:5060" })),
    ];
    const crowded = ladder({ parties, rows: [message({}), message({ from: 1, to: 7, label: "CANCEL" })] });
    const fitting = drawLadder(crowded, { width: 80, strokes: ASCII }).join("\n");
    expect(fitting).toContain("3 more legs not drawn");
    expect(fitting).not.toContain("CANCEL");
    const chosen = drawLadder(crowded, { width: 80, strokes: ASCII, legs: [0, 6] }).join("\n");
    expect(chosen).toContain("CANCEL");
    expect(chosen).toContain("leg-6");
    expect(chosen).not.toContain("leg-3");
  });

  it("lets nothing that a peer wrote command the terminal", () => {
    const rows = [message({ label: "200 \u001b[2JOK\u009b" })];
    const parties = [{ leg: 0, title: "\u001b]0;x\u0007", address: "a" }, { leg: undefined, title: "crossband", address: "" }]; // prettier-ignore
    const drawn = drawLadder(ladder({ rows, parties }), { width: 80, strokes: ASCII }).join("");
    expect(Array.from(drawn).filter((char) => char < " " || (char > "~" && char < "\u00a0"))).toEqual([]);
  });

  it("says when a trace was full", () => {
    expect(drawLadder(ladder({ lost: 7 }), { width: 80, strokes: ASCII }).at(-1)).toContain(
      "7 later entries",
    );
  });
});
