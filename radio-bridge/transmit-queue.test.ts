import { expect, it } from "vitest";
import { TransmitQueue } from "./transmit-queue.ts";

const frame = (value: number) => Int16Array.of(value);
const filled = (count: number) => {
  const queue = new TransmitQueue();
  for (let i = 0; i < count; i++) queue.put(frame(i));
  return queue;
};

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

it("works off a delay of more than 100 ms by leaving out one frame a beat", () => {
  const queue = filled(8);
  const played = Array.from({ length: 8 }, () => queue.take()?.[0]).filter((value) => value !== undefined);
  expect(played).toEqual([1, 3, 4, 5, 6, 7]);
  expect(queue.dropped).toBe(2);
});

it("is flushed rather than grow beyond 25 frames", () => {
  const queue = filled(26);
  expect(queue.length).toBe(1);
  expect(queue.dropped).toBe(25);
});
