import { describe, expect, it, vi } from "vitest";
import { Registry } from "prom-client";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { silent } from "#common/log.ts";
import type { GroupPolicy, Member } from "#common/media-control.ts";
import type { MediaOutcome } from "#signaling/calls/media/media-client.ts";
import { createCallMetrics } from "#signaling/calls/metrics.ts";
import type { Step } from "#signaling/sip-port/sip-port.ts";
import { fakeStep, type FakeStep } from "#signaling/sip-port/testing/fake-step.ts";
import type { CallEvent } from "./call-event.ts";
import { createCallRunner, withoutCall } from "./call-runner.ts";
import type { MediaRequest } from "./effect.ts";
import { startGroupCall } from "./group-call.machine.ts";

const call = "00aaaaaaaaaaaaaaaaaaaaaa";
const leg = `${call}.0`;
const policy: GroupPolicy = {
  id: "fire-1",
  name: "F",
  mode: "half-duplex",
  maxTalkMs: 1,
  hangMs: 1,
  queue: false,
  phonePtt: "dtmf",
};
const caller: Member = { id: "alice", name: "Alice", kind: "phone", priority: 5 };
const invite = {
  type: "group-invite",
  leg,
  txn: "invite",
  caller,
  webrtc: false,
  sdp: "o",
  policy,
  atMs: 1,
} as const;
const answer: MediaOutcome = {
  outcome: "done",
  answer: { description: { type: "answer", sdp: "a" } },
  by: "media-1",
};

function runnerOn(step: FakeStep, outcome: MediaOutcome | Promise<MediaOutcome>) {
  const asked: string[] = [];
  const begun: Promise<void>[] = [];
  const failures: Error[] = [];
  const registry = new Registry();
  const runner = createCallRunner({
    clock: { now: () => 2 }, log: silent, metrics: createCallMetrics(registry), unbind: () => Promise.resolve(),
    trunks: { claim: () => Promise.resolve("claimed"), release: () => undefined, avoid: () => undefined },
    media: {
      run(request: MediaRequest) { asked.push(request.op); return Promise.resolve(outcome); },
      dismiss(which, from) { asked.push(`dismiss ${which} from ${from}`); return Promise.resolve(); },
    },
    port: { begin(_call: string, work: (step: Step) => Promise<void>) { const failure = failures.shift(); if (failure) return Promise.reject(failure); const done = work(step); begun.push(done); return done; } },
  }); // prettier-ignore
  return { runner, asked, begun, registry, failures };
}
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe("call runner", () => {
  it("asks the media tier only after the commit, and brings its answer back to the record that stands then", async () => {
    const step = fakeStep(call);
    const { runner, asked } = runnerOn(step, answer);
    await runner.start(step, startGroupCall(call, invite));
    expect(asked).toEqual([]);
    step.commit();
    await settle();
    expect(asked).toEqual(["put"]);
    expect(step.record).toMatchObject({ name: "joined" });
    expect(step.commands).toMatchObject([{ type: "reply", txn: "invite", status: 200, body: "a" }]);
  });

  it("asks the media tier first for a caller who repeats himself, and answers him in the first step", async () => {
    const step = fakeStep(call);
    const { runner, asked, begun, registry } = runnerOn(step, answer);
    await runner.start(step, startGroupCall(call, invite), true);
    expect(asked).toEqual(["put"]);
    expect(step.record).toMatchObject({ name: "joined", media: { at: "media-1" } });
    expect(step.commands).toMatchObject([{ type: "reply", txn: "invite", status: 200, body: "a" }]);
    step.commit();
    await settle();
    expect([asked, begun]).toEqual([["put"], []]);
    for (const what of ["started", "answered"])
      expect(await registry.metrics()).toMatch(new RegExp(`kind="group",event="${what}"\\} 1`));
  });

  it("refuses a caller who repeats himself in the first step when the media tier does", async () => {
    const step = fakeStep(call);
    const { runner } = runnerOn(step, { outcome: "refused", refusal: { status: 488 } });
    await runner.start(step, startGroupCall(call, invite), true);
    expect(step.commands).toMatchObject([{ type: "reply", txn: "invite", status: 488 }]);
    expect(step.details).toMatchObject([{ cause: "media-refused", status: 488 }]);
  });

  it("lets a caller who repeats himself not wait for a media tier that takes its time", async () => {
    vi.useFakeTimers();
    const step = fakeStep(call);
    const held = Promise.withResolvers<MediaOutcome>();
    const { runner, asked } = runnerOn(step, held.promise);
    const started = runner.start(step, startGroupCall(call, invite), true);
    await vi.advanceTimersByTimeAsync(101);
    await started;
    expect([step.commands, step.record]).toMatchObject([[], { name: "joining" }]);
    step.commit();
    held.resolve(answer);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toEqual(["put"]);
    expect(step.record).toMatchObject({ name: "joined" });
    vi.useRealTimers();
  });

  it("keeps what the media tier said while Redis is away", async () => {
    vi.useFakeTimers();
    const step = fakeStep(call);
    const { runner, failures } = runnerOn(step, answer);
    failures.push(
      new CrossbandError(ErrorCode.StateUnavailable, "away"),
      new CrossbandError(ErrorCode.StateUnavailable, "away"),
    );
    await runner.start(step, startGroupCall(call, invite));
    step.commit();
    await vi.advanceTimersByTimeAsync(1_500);
    expect(step.record).toMatchObject({ name: "joining" });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(step.record).toMatchObject({ name: "joined" });
    vi.useRealTimers();
  });

  it("tells the caller 503 with Retry-After when no media process answers, and counts it", async () => {
    const step = fakeStep(call);
    const { runner, registry } = runnerOn(step, { outcome: "unreachable" });
    await runner.start(step, startGroupCall(call, invite));
    step.commit();
    await settle();
    expect(step.commands).toMatchObject([{ status: 503, headers: [["Retry-After", "5"]] }]);
    expect(await registry.metrics()).toContain('crossband_media_errors_total{status="503"} 1');
  });

  it("takes no media answer in that came after the call was over", async () => {
    const step = fakeStep(call);
    const { runner } = runnerOn(step, answer);
    await runner.advance(step, {
      type: "described",
      leg,
      revision: 1,
      description: { type: "answer", sdp: "a" },
      atMs: 1,
    });
    expect([step.commands, step.record]).toEqual([[], undefined]);
  });

  it("repeats for a survivor what the record still waits for, and saves nothing new", async () => {
    const step = fakeStep(call, startGroupCall(call, invite).state);
    const { runner, asked } = runnerOn(step, { outcome: "unreachable" });
    await runner.repeat(step);
    step.commit();
    expect(asked).toEqual(["put"]);
    expect(step.record).toMatchObject({ name: "joining" });
  });

  it.each<[string, CallEvent, unknown[]]>([
    ["BYE: 200", { type: "bye", leg, txn: "t", atMs: 1 }, [{ type: "reply", status: 200 }]],
    [
      "re-INVITE: 481",
      { type: "offer", method: "INVITE", leg, txn: "t", sdp: "o", atMs: 1 },
      [{ type: "reply", status: 481 }],
    ],
    [
      "late 200 to INVITE: acknowledged and taken down",
      { type: "response", leg, method: "INVITE", status: 200, local: false, sdp: "a", atMs: 1 },
      [{ type: "ack" }, { type: "in-dialog", method: "BYE" }],
    ],
    [
      "200 to BYE: nothing",
      { type: "response", leg, method: "BYE", status: 200, local: false, sdp: undefined, atMs: 1 },
      [],
    ],
    ["timer: nothing", { type: "timer", timer: "media", atMs: 1 }, []],
  ])("without a record, %s", (_title, event, commands) => {
    expect(withoutCall(event).map((effect) => effect.do === "sip" && effect.command)).toMatchObject(commands);
  });
});
