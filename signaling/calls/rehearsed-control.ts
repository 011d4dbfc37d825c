import { Registry } from "prom-client";
import { systemClock } from "#common/clock.ts";
import { silent } from "#common/log.ts";
import type { User } from "#state/directory/provision.ts";
import type { Binding } from "#state/registration/binding.ts";
import type { Flow, SipHandler, SipPort } from "#signaling/sip-port/sip-port.ts";
import { admitInvite } from "./call/admit-invite.ts";
import { createCallRunner } from "./call/call-runner.ts";
import { callEventOf } from "./call/to-event.ts";
import { createCallMetrics } from "./metrics.ts";

const RING_MS = 60_000;
const user = (id: string): User => ({
  id,
  agency: "rehearsal",
  name: id,
  priority: 5,
  ha1: { md5: "", sha256: "" },
});

/**
 * Call control as it is, for the calls of a rehearsal: everybody may call the one callee there is, nothing is asked of Redis or
 * of the media tier, and nothing is logged or counted.
 */
export function rehearsedControl(port: SipPort, callee: Flow): SipHandler {
  const runner = createCallRunner({
    clock: systemClock,
    log: silent,
    metrics: createCallMetrics(new Registry()),
    media: { run: () => Promise.resolve({ outcome: "unreachable" }), dismiss: () => Promise.resolve() },
    port,
    trunks: { claim: () => Promise.resolve("full"), release: () => undefined, avoid: () => undefined },
    unbind: () => Promise.resolve(),
  });
  const now = (): number => systemClock.now();
  const binding = (): Binding => ({
    uri: `sip:callee@${callee.host}:${callee.port}`,
    q: 1_000,
    flow: callee,
    key: "callee",
    callId: "callee",
    expiresAtMs: now() + RING_MS,
    expiresInS: RING_MS / 1_000,
  });
  return {
    async onEvent(event, step) {
      if (event.type === "request" && !event.dialog) {
        const admitted = admitInvite({
          call: step.callId,
          request: event,
          user: user("caller"),
          target: { kind: "user", user: user("callee") },
          bindings: [binding()],
          domain: "rehearsal.invalid",
          ringMs: RING_MS,
          atMs: now(),
        });
        if ("start" in admitted) await runner.start(step, admitted.start);
        return;
      }
      const told = callEventOf(event, now());
      if (told) await runner.advance(step, told);
    },
    onTimer: (timer, step) => runner.advance(step, { type: "timer", timer, atMs: now() }),
    recover: (step) => runner.repeat(step),
  };
}
