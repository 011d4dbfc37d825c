import type { Binding } from "#state/registration/binding.ts";
import type { ScriptClient } from "#state/redis/script.ts";
import { fetchFollowers, type FollowerClient } from "#state/registration/follow-flow.ts";
import { register } from "#state/registration/register.ts";
import type { Logger } from "#common/log.ts";
import type { Authenticator } from "#signaling/calls/auth/authenticator.ts";
import type { CallMetrics } from "#signaling/calls/metrics.ts";
import { addresseeOf, type OwnHosts } from "#signaling/calls/routing/address.ts";
import type { Headers, SipEvent, SipPort, Step } from "#signaling/sip-port/sip-port.ts";
import { changesOf, contactLine } from "./contacts.ts";
import { outboundHeaders } from "./outbound.ts";
import type { Gruus } from "./gruu.ts";
import { createReturn } from "./return.ts";

export interface RegistrarOptions {
  readonly redis: ScriptClient & FollowerClient;
  /** Where the calls of a client that has come back are stepped. */
  readonly port: Pick<SipPort, "begin">;
  readonly log: Logger;
  readonly authenticator: Authenticator;
  readonly metrics: CallMetrics;
  readonly maxSeconds: number;
  /** How often clients that keep flows are asked to say so. */
  readonly keepaliveSeconds: number;
  readonly gruus: Gruus;
  /** Tells those who watch the registration of a user. */
  readonly changed?: (user: string) => void;
}

type Request = Extract<SipEvent, { type: "request" }>;

/** Answers REGISTER (RFC 3261 §10.3). Needs no record of its own: a retransmission gets the same answer from the bindings. */
export function createRegistrar(options: RegistrarOptions) {
  const { redis, port, log, authenticator, metrics, maxSeconds, changed, gruus } = options;
  const bringBack = createReturn(port, log);
  return async ({ txn, message, source }: Request, own: OwnHosts, step: Step): Promise<void> => {
    const answer = (outcome: string, status: number, headers: Headers = []) => {
      step.command({ type: "reply", txn, status, headers });
      step.after(() => {
        metrics.registration(outcome);
      });
    };
    const to = addresseeOf(message.to.uri, own);
    const host = addresseeOf(message.requestUri, own);
    // Items 1 and 5: whose registrar we are.
    if (host.kind === "foreign" || host.kind === "none" || to.kind === "foreign") {
      answer("not-here", 404);
      return;
    }
    const identity = await authenticator.prove(message, source, own);
    if (identity.outcome === "refused") {
      step.after(() => {
        metrics.authentication(identity.cause);
      });
      answer(
        identity.cause === "no-credentials" ? "challenged" : "unauthorized",
        identity.status,
        identity.headers,
      );
      return;
    }
    step.after(() => {
      metrics.authentication("ok");
    });
    // Item 4: everyone registers for oneself alone.
    if (to.kind !== "name" || to.name !== identity.user.id) {
      answer("forbidden", 403);
      return;
    }
    const asked = changesOf(message, source, maxSeconds);
    if ("status" in asked) {
      answer("refused", asked.status, asked.headers);
      return;
    }
    const { callId, cseq } = message;
    const user = identity.user.id;
    // Both leave together; the second is for connections alone, and small.
    const [result, followers] = await Promise.all([
      register(redis, { user, callId, cseq: cseq.seq, changes: asked.changes }),
      source.connection === undefined ? [] : fetchFollowers(redis, user),
    ]);
    if (result.outcome === "out-of-order") {
      answer("out-of-order", 500, [["Retry-After", "1"]]);
      return;
    }
    step.after(() => {
      if (asked.changes.length > 0) changed?.(user);
    });
    // Before the answer: whoever dies here leaves a client that registers again.
    await bringBack(user, source, asked.changes, followers);
    // RFC 5627 §5.3: for clients that say that they know what it is.
    const grid = (binding: Binding) =>
      message.supports("gruu") ? gruus.paramsOf(user, own.domain, binding) : "";
    const headers = [
      ...result.bindings.map((binding) => ["Contact", contactLine(binding) + grid(binding)] as const),
      // RFC 3327 §5.3: the client learns which way it is reached.
      ...message.headers("path").map((value) => ["Path", value] as const),
      ...outboundHeaders(message, options.keepaliveSeconds),
    ];
    answer(result.bindings.length > 0 ? "bound" : "unbound", 200, headers);
  };
}
