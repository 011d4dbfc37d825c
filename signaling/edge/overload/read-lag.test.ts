import { expect, it } from "vitest";
import { ReadLag, UDP_AT_ONCE } from "./read-lag.ts";

/** One turn of the loop in which so many datagrams were read. */
function turn(lag: ReadLag, fromMs: number, toMs: number, datagrams: number): void {
  for (let i = 0; i < datagrams; i++) expect(lag.read(fromMs, true)).toBe(i === 0);
  lag.turnOver(toMs);
}

it("counts from when the socket was last empty, while each turn leaves something in it", () => {
  const lag = new ReadLag(0);
  turn(lag, 10, 20, 3);
  for (let at = 20; at < 620; at += 20) turn(lag, at, at + 20, UDP_AT_ONCE);
  expect(lag.look(620)).toBe(610);
});

it("takes a turn that emptied the socket for the end of the wait", () => {
  const lag = new ReadLag(0);
  turn(lag, 0, 300, UDP_AT_ONCE);
  turn(lag, 300, 320, UDP_AT_ONCE - 1);
  expect(lag.look(320)).toBe(320);
  turn(lag, 320, 330, 1);
  expect(lag.look(420)).toBe(30);
});

it("waits for nobody while nothing was read: a busy loop asks its sockets between two looks", () => {
  const lag = new ReadLag(0);
  for (let at = 100; at <= 1_000; at += 100) expect(lag.look(at)).toBe(0);
  turn(lag, 1_005, 1_015, 1);
  expect(lag.look(1_100)).toBe(115);
});

it("knows a stream's wait by the length of the turns", () => {
  const lag = new ReadLag(0);
  lag.read(0, false);
  lag.turnOver(400);
  lag.read(400, false);
  lag.turnOver(1_000);
  expect(lag.look(1_000)).toBe(1_000);
});
