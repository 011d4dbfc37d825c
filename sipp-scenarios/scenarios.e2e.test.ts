import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startCrossband, type RunningCrossband } from "#test/peers/crossband/start-crossband.ts";
import { createPhone, type Phone } from "#test/peers/sip-phone/phone.ts";
import { runSipp, type SippOptions } from "#test/peers/sipp/run-sipp.ts";

const provision = `
domain: sipp.test
agencies: [{ id: fire, name: Fire }]
users:
  - { id: alice, agency: fire, name: Alice, password: alice-secret }
  - { id: bob, agency: fire, name: Bob, password: bob-secret }
talkGroups: [{ id: fire-1, agency: fire, name: Fire 1 }]
`;

let crossband: RunningCrossband;
/** A registered phone that rings and does not answer. */
let bob: Phone;

beforeAll(async () => {
  crossband = await startCrossband({ provision });
  bob = await createPhone({
    server: crossband.ready.sip.udp,
    domain: "sipp.test",
    user: "bob",
    password: "bob-secret",
  });
  await bob.register();
});
afterAll(async () => {
  bob.close();
  await crossband.stop();
});

/** What a scenario needs beside its file; the rest takes the defaults. */
const needs: Readonly<Record<string, Partial<SippOptions>>> = {
  "register-wrong-password": { password: "wrong" },
  "call-group-and-hang-up": { service: "fire-1", calls: 3 },
  "late-ack-repeats-answer": { service: "fire-1" },
  "hold-and-resume": { service: "fire-1" },
  "no-common-codec-488": { service: "fire-1" },
  "unknown-group-404": { service: "no-such-group" },
  "cancel-before-answer": { service: "bob" },
  "message-to-user": { service: "bob" },
  "max-forwards-zero-483": { service: "bob" },
  "truncated-body-400": { service: "bob" },
  "bye-outside-call-481": { service: "fire-1" },
};
const scenarios = readdirSync(new URL(".", import.meta.url))
  .filter((file) => file.endsWith(".xml"))
  .map((file) => file.replace(".xml", ""));

describe("SIPp", () => {
  it.each(scenarios)("%s", async (scenario) => {
    const server = crossband.ready.sip.udp;
    const outcome = await runSipp({
      scenario,
      server,
      domain: "sipp.test",
      user: "alice",
      password: "alice-secret",
      ...needs[scenario],
    });
    expect(outcome.report).toBe("");
    expect(outcome.passed).toBe(true);
  });

  it("repeats its answer until a late ACK comes", async () => {
    const outcome = await runSipp({
      scenario: "late-ack-repeats-answer",
      server: crossband.ready.sip.udp,
      domain: "sipp.test",
      user: "alice",
      password: "alice-secret",
      service: "fire-1",
    });
    expect(outcome.retransmissions).toBeGreaterThan(0);
  });
});

it("every scenario is in the table", () => {
  const table = readFileSync(new URL("README.md", import.meta.url), "utf8");
  expect(scenarios.filter((scenario) => !table.includes(`\`${scenario}\``))).toEqual([]);
});
