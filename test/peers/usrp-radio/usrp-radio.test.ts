import { afterEach, expect, it } from "vitest";
import { toneOverRestDb } from "../audio/measures.ts";
import { RATE, toneSource } from "../audio/sources.ts";
import { UsrpRadio } from "./usrp-radio.ts";

const opened: UsrpRadio[] = [];
afterEach(() => {
  for (const radio of opened.splice(0)) radio.close();
});

async function pair() {
  const one = await UsrpRadio.open({ remote: "127.0.0.1:9" });
  const other = await UsrpRadio.open({ remote: `127.0.0.1:${one.port}` });
  opened.push(one, other);
  return { one, other };
}

it("keys, is heard, and unkeys by a header alone", async () => {
  const { one, other } = await pair();
  other.key(toneSource(1_000));
  await one.until("keyed");
  const heard = await one.heard.atLeast(300);
  expect(toneOverRestDb(heard, RATE, 1_000)).toBeGreaterThan(40);
  other.unkey();
  await one.until("unkeyed");
  expect(one.keyEvents.map(({ keyed, bytes }) => [keyed, bytes])).toEqual([
    [true, 352],
    [false, 32],
  ]);
});

it("counts what is no USRP", async () => {
  const { one, other } = await pair();
  other.sendRaw(Buffer.from("nonsense"));
  other.key();
  await one.until("keyed");
  other.unkey();
  await one.until("unkeyed");
  expect(one.received.malformed).toBe(1);
});

it("says when nobody keyed it", async () => {
  const { one } = await pair();
  await expect(one.until("keyed", 20)).rejects.toThrow("the radio was not keyed within 20 ms");
});
