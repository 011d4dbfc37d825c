import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestCalls, type TestCalls } from "./testing/start-calls.ts";

const read = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");
/** Metrics of a signaling process by name, as documents write them; other tiers have their own. */
const NAME = /crossband_(?:sip_(?!sockets|refused)[a-z_]+|redis_[a-z_]+|calls_total|registrations_total|authentications_total|requests_refused_total)/g; // prettier-ignore
const namesIn = (text: string): string[] => [
  ...new Set([...text.matchAll(NAME)].map(([name]) => name.replace(/_bucket$/, ""))),
];

let calls: TestCalls;
beforeAll(async () => {
  calls = await startTestCalls();
});
afterAll(() => calls.close());

describe("the metrics that operators are told of", () => {
  it.each(["OPERATIONS.md", "prometheus-rules.yml"])("are there, each that docs/%s names", async (file) => {
    const phone = await calls.phone("alice");
    await phone.register();
    const live = (await calls.roles[0]?.metrics()) ?? "";
    const told = namesIn(read(file));
    expect(told.length).toBeGreaterThan(8);
    expect(told.filter((name) => !live.includes(`# TYPE ${name} `))).toEqual([]);
  });

  it("say what to do: each counter of the SIP tier is named in OPERATIONS.md", async () => {
    const live = (await calls.roles[0]?.metrics()) ?? "";
    const told = new Set(namesIn(read("OPERATIONS.md")));
    const all = [...live.matchAll(/^# TYPE (crossband_(?:sip|redis)_[a-z_]+) /gm)].map(
      ([, name = ""]) => name,
    );
    expect(all.filter((name) => !told.has(name))).toEqual([]);
  });
});
