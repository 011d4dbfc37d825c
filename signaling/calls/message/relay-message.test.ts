import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import type { TalkGroup, User } from "#state/directory/provision.ts";
import type { Binding } from "#state/registration/binding.ts";
import { createCallMetrics } from "#signaling/calls/metrics.ts";
import type { Target } from "#signaling/calls/routing/target.ts";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { SipEvent } from "#signaling/sip-port/sip-port.ts";
import { fakeStep } from "#signaling/sip-port/testing/fake-step.ts";
import { createMessageRelay, MAX_FAN_OUT } from "./relay-message.ts";

const userOf = (id: string): User => ({
  id,
  agency: "fire",
  name: id,
  priority: 5,
  ha1: { md5: "", sha256: "" },
});
const group: TalkGroup = {
  id: "fire-1", agency: "fire", name: "Fire 1", mode: "half-duplex", members: [], maxTalkMs: 1, hangMs: 1, queue: false, phonePtt: "dtmf", record: false,
}; // prettier-ignore
const flow = { transport: "udp", host: "192.0.2.7", port: 5060 } as const;
const binding = (user: string): Binding => ({
  key: user,
  uri: `sip:${user}@192.0.2.7`,
  q: 1_000,
  flow,
  expiresAtMs: 1,
  callId: "c1",
  expiresInS: 1,
});

function textOf(body: string): Extract<SipEvent, { type: "request" }> {
  const parsed = parseMessage(
    ["MESSAGE sip:fire-1@x SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKx", "From: <sip:alice@x>;tag=1", "To: <sip:fire-1@x>", "Call-ID: c",
      "CSeq: 1 MESSAGE", "Max-Forwards: 70", "Content-Type: text/plain", `Content-Length: ${body.length}`, "", body].join("\r\n"),
  ); // prettier-ignore
  if (!parsed.ok) throw new Error("the test's MESSAGE is malformed");
  return { type: "request", leg: "00.0", txn: "text", dialog: false, message: parsed.message, source: flow };
}

async function relay(body: string, target: Target, members: number) {
  const step = fakeStep();
  const send = createMessageRelay({
    runner: { start: () => Promise.resolve() },
    metrics: createCallMetrics(new Registry()),
    bindings: (user) => Promise.resolve([binding(user)]),
    membersOf: () =>
      Promise.resolve(Array.from({ length: members }, (_, i) => userOf(i === 0 ? "alice" : `user-${i}`))),
    maxMessageBytes: 8_192,
  });
  await send(textOf(body), userOf("alice"), target, "crossband.test", step);
  return step.commands;
}
const statuses = (commands: Awaited<ReturnType<typeof relay>>) =>
  commands.flatMap((command) => (command.type === "reply" ? command.status : []));

describe("a text to a talk group", () => {
  it("goes to every member but its sender, and is taken at once", async () => {
    const commands = await relay("hello", { kind: "group", group }, 3);
    expect(commands.filter(({ type }) => type === "request")).toMatchObject([
      {
        method: "MESSAGE",
        uri: "sip:user-1@192.0.2.7",
        to: '"Fire 1" <sip:fire-1@crossband.test>',
        body: "hello",
      },
      { method: "MESSAGE", uri: "sip:user-2@192.0.2.7" },
    ]);
    expect(statuses(commands)).toEqual([202]);
  });

  it("goes to so many contacts and no more", async () => {
    const commands = await relay("hello", { kind: "group", group }, MAX_FAN_OUT + 50);
    expect(commands.filter(({ type }) => type === "request")).toHaveLength(MAX_FAN_OUT);
  });

  it("is refused with 413 when it would not fit a message on its way on", async () => {
    expect(statuses(await relay("x".repeat(4_097), { kind: "group", group }, 3))).toEqual([413]);
    expect(statuses(await relay("x".repeat(4_096), { kind: "group", group }, 3))).toEqual([202]);
  });

  it("is refused to who may not join, and to nobody", async () => {
    expect(statuses(await relay("hello", { kind: "group", group: { ...group, agency: "ems" } }, 3))).toEqual([
      403,
    ]);
    expect(statuses(await relay("hello", { kind: "unknown" }, 3))).toEqual([404]);
  });
});
