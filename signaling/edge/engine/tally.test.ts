import { Registry } from "prom-client";
import { expect, it } from "vitest";
import { tally } from "./tally.ts";

it("hands its counts over when the metrics are asked for, each with its labels, however often they are asked for", async () => {
  const registry = new Registry();
  const drops = tally(registry, "drops_total", "Dropped", "reason", "transport");
  const tooLarge = drops("too-large", "udp");
  tooLarge.value++;
  tooLarge.value += 2;
  drops("late", "tcp").value++;
  expect(drops("too-large", "udp")).toBe(tooLarge);
  await registry.metrics();
  tooLarge.value++;
  const text = await registry.metrics();
  expect(text).toContain('drops_total{reason="too-large",transport="udp"} 4');
  expect(text).toContain('drops_total{reason="late",transport="tcp"} 1');
});

it("shows a counter without labels from the start", async () => {
  const registry = new Registry();
  tally(registry, "commits_total", "Commits")();
  expect(await registry.metrics()).toContain("commits_total 0");
});
