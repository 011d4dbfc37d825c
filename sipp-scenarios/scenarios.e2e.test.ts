import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startCrossband, type RunningCrossband } from "#test/peers/crossband/start-crossband.ts";
import { createPhone, type Phone } from "#test/peers/sip-phone/phone.ts";
import { Dialog } from "#test/peers/sip-phone/dialog.ts";
import { formatSdp } from "#test/peers/sip-phone/sdp.ts";
import { newBranch } from "#test/peers/sip-phone/sip-endpoint.ts";
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
  await crossband.end();
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
});

/** SIPp takes an answer that comes twice for a retransmission and hides it, so a phone of ours asks this. */
it("an INVITE that comes twice is answered alike and is one call", async () => {
  const alice = await createPhone({
    server: crossband.ready.sip.udp,
    domain: "sipp.test",
    user: "alice",
    password: "alice-secret",
  });
  try {
    await alice.register();
    const branch = newBranch();
    const sdp = formatSdp({ host: "127.0.0.1", port: 40_000, codecs: ["PCMU"], version: 1, session: 1 });
    const target = "sip:fire-1@sipp.test";
    const dialog = new Dialog({ server: alice.server, local: alice.nameAddr, remote: `<${target}>`, target });
    const draft = {
      ...dialog.request(
        "INVITE",
        [
          ["Contact", alice.contact],
          ["Content-Type", "application/sdp"],
        ],
        sdp,
      ),
      branch,
    };
    const answer = await alice.endpoint.request(draft, { to: alice.server });
    const again = await alice.endpoint.request(draft, { to: alice.server });
    expect(answer.status).toBe(200);
    expect(again).toEqual(answer);
    dialog.establish(again);
    alice.endpoint.sendOnly(dialog.request("ACK", [], "", dialog.lastSequence), dialog.nextHop());
    expect((await alice.endpoint.request(dialog.request("BYE", []), { to: dialog.nextHop() })).status).toBe(
      200,
    );
    expect((await alice.endpoint.request(dialog.request("BYE", []), { to: dialog.nextHop() })).status).toBe(
      481,
    );
  } finally {
    alice.close();
  }
});

it("every scenario is in the table", () => {
  const table = readFileSync(new URL("README.md", import.meta.url), "utf8");
  expect(scenarios.filter((scenario) => !table.includes(`\`${scenario}\``))).toEqual([]);
});
