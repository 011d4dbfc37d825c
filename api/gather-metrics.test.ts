import { describe, expect, it } from "vitest";
import { gatherMetrics, joinMetrics } from "./gather-metrics.ts";

describe("joinMetrics", () => {
  it("labels each sample with its process and says each family's HELP and TYPE once", () => {
    const text = (value: number) =>
      `# HELP calls_total calls\n# TYPE calls_total counter\ncalls_total{kind="group"} ${value}\n# HELP up x\n# TYPE up gauge\nup 1\n`;
    expect(
      joinMetrics([
        { role: "signaling", instance: "a", text: text(1) },
        { role: "signaling", instance: "b", text: text(2) },
      ]),
    ).toBe(
      `# HELP calls_total calls
# TYPE calls_total counter
calls_total{kind="group",role="signaling",instance="a"} 1
calls_total{kind="group",role="signaling",instance="b"} 2
# HELP up x
# TYPE up gauge
up{role="signaling",instance="a"} 1
up{role="signaling",instance="b"} 1
`,
    );
  });

  it("keeps a histogram's buckets with their family", () => {
    const text = `# HELP t_seconds t\n# TYPE t_seconds histogram\nt_seconds_bucket{le="0.1"} 1\nt_seconds_bucket{le="+Inf"} 2\nt_seconds_sum 3\nt_seconds_count 2\n`;
    expect(joinMetrics([{ role: "api", instance: "a", text }]).split("\n")).toContain(
      't_seconds_bucket{le="+Inf",role="api",instance="a"} 2',
    );
  });
});

describe("gatherMetrics", () => {
  it("leaves out a process that does not answer", async () => {
    const card = {
      role: "media" as const,
      instance: "gone",
      pid: 1,
      listeners: { metrics: "127.0.0.1:1" },
      load: 0,
      draining: false,
    };
    expect(await gatherMetrics([card, { ...card, listeners: {} }])).toBe("");
  });
});
