import { expect, it } from "vitest";
import { TransmitQueue } from "./transmit-queue.ts";

const frame = (value: number) => Int16Array.of(value);
const LOUD = 10_000;
const filled = (count: number, level = 0) => {
  const queue = new TransmitQueue();
  for (let i = 0; i < count; i++) queue.put(frame(level + i));
  return queue;
};
const playedFrom = (queue: TransmitQueue, beats: number) =>
  Array.from({ length: beats }, () => queue.take()?.[0]).filter((value) => value !== undefined);

it("gives frames in the order they came, then nothing", () => {
  const queue = filled(2);
  expect([queue.take()?.[0], queue.take()?.[0], queue.take()]).toEqual([0, 1, undefined]);
});

it("waits for a second frame before it begins, unless no more will come", () => {
  const queue = filled(1);
  expect(queue.take()).toBeUndefined();
  queue.put(frame(1));
  expect(queue.take()?.[0]).toBe(0);
  expect(filled(1).take(true)?.[0]).toBe(0);
});

it("works off a delay of more than 100 ms between words, by leaving out one quiet frame a beat", () => {
  const queue = filled(8);
  expect(playedFrom(queue, 8)).toEqual([1, 3, 4, 5, 6, 7]);
  expect(queue.dropped).toBe(2);
});

it("leaves out nothing of speech for a delay of up to 200 ms", () => {
  const queue = filled(10, LOUD);
  expect(playedFrom(queue, 10)).toHaveLength(10);
  expect(queue.dropped).toBe(0);
});

it("leaves out speech rather than stay more than 200 ms late", () => {
  const queue = filled(12, LOUD);
  expect(playedFrom(queue, 12).map((value) => value - LOUD)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  expect(queue.dropped).toBe(1);
});

it("is flushed rather than grow beyond 25 frames", () => {
  const queue = filled(26);
  expect(queue.length).toBe(1);
  expect(queue.dropped).toBe(25);
});
