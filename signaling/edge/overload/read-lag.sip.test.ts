import { createSocket } from "node:dgram";
import { once } from "node:events";
import { expect, it } from "vitest";
import { UDP_AT_ONCE } from "./read-lag.ts";

it("is told that a socket may not be empty by as many datagrams as libuv reads in a turn", async () => {
  const [receiver, sender] = [createSocket("udp4"), createSocket("udp4")];
  const turns: number[] = [];
  let inTurn = 0;
  receiver.on("message", () => {
    if (inTurn++ > 0) return;
    setImmediate(() => {
      turns.push(inTurn);
      inTurn = 0;
      if (turns.reduce((sum, n) => sum + n) === 100) receiver.emit("all");
    });
  });
  receiver.bind(0, "127.0.0.1");
  await once(receiver, "listening");
  sender.connect(receiver.address().port, "127.0.0.1");
  await once(sender, "connect");
  const all = once(receiver, "all");
  for (let i = 0; i < 100; i++) sender.send("x");
  await all;
  receiver.close();
  sender.close();
  expect(turns).toEqual([UDP_AT_ONCE, UDP_AT_ONCE, UDP_AT_ONCE, 100 - 3 * UDP_AT_ONCE]);
});
