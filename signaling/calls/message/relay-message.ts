import type { TalkGroup, User } from "#state/directory/provision.ts";
import type { Binding } from "#state/registration/binding.ts";
import { addressOf } from "#signaling/calls/call/admit-invite.ts";
import type { CallRunner } from "#signaling/calls/call/call-runner.ts";
import { destinationOf } from "#signaling/calls/destinations.ts";
import { oneFlowEach } from "#signaling/calls/registrar/outbound.ts";
import type { CallMetrics } from "#signaling/calls/metrics.ts";
import type { Target } from "#signaling/calls/routing/target.ts";
import { mayJoin } from "#state/directory/may-join.ts";
import type { SipEvent, Step } from "#signaling/sip-port/sip-port.ts";
import { startMessageRelay, textTo, type Text } from "./message-relay.machine.ts";

/** Contacts that one text to a talk group is sent to; further ones are left out and counted. */
export const MAX_FAN_OUT = 200;
/** What a text grows by on its way: Via, Contact and names of ours. */
const HEADER_ALLOWANCE_BYTES = 4_096;

export interface MessageRelayOptions {
  readonly runner: Pick<CallRunner, "start">;
  readonly metrics: CallMetrics;
  readonly bindings: (user: string) => Promise<readonly Binding[]>;
  readonly membersOf: (group: TalkGroup) => Promise<readonly User[]>;
  readonly maxMessageBytes: number;
}

type Request = Extract<SipEvent, { type: "request" }>;

/** Passes on a MESSAGE (RFC 3428): to a user's contacts, the first of which answers; to a group's members, answered 202 at once. */
export function createMessageRelay({
  runner,
  metrics,
  bindings,
  membersOf,
  maxMessageBytes,
}: MessageRelayOptions) {
  return async (
    { txn, message }: Request,
    sender: User,
    target: Target,
    domain: string,
    step: Step,
    reaches: (binding: Binding) => boolean = () => true,
  ): Promise<void> => {
    const kind = target.kind === "group" ? "group" : "user";
    const done = (outcome: string, status?: number) => {
      if (status !== undefined) step.command({ type: "reply", txn, status });
      step.after(() => {
        metrics.message(kind, outcome);
      });
    };
    if (message.body.length > maxMessageBytes - HEADER_ALLOWANCE_BYTES) {
      done("too-large", 413);
      return;
    }
    if (target.kind === "unknown" || target.kind === "outside") {
      done("unknown", 404);
      return;
    }
    const text = (to: Pick<User, "id" | "name">): Text => ({
      from: addressOf(sender, domain), to: addressOf(to, domain), body: message.body,
      contentType: message.header("content-type") ?? "text/plain",
    }); // prettier-ignore
    if (target.kind === "user") {
      const bound = (await bindings(target.user.id)).filter(reaches);
      const destinations = oneFlowEach(bound).map(destinationOf);
      if (destinations.length === 0) {
        done("not-registered", 480);
        return;
      }
      await runner.start(step, startMessageRelay(step.callId, txn, destinations, text(target.user)));
      done("relayed");
      return;
    }
    if (!mayJoin(sender, target.group)) {
      done("forbidden", 403);
      return;
    }
    const members = (await membersOf(target.group))
      .filter(({ id }) => id !== sender.id)
      .slice(0, MAX_FAN_OUT);
    const contacts = oneFlowEach((await Promise.all(members.map(({ id }) => bindings(id)))).flat()).map(
      destinationOf,
    );
    contacts.slice(0, MAX_FAN_OUT).forEach((destination, i) => {
      const effect = textTo(`${step.callId}.${i + 1}`, destination, text(target.group));
      if (effect.do === "sip") step.command(effect.command);
    });
    done(contacts.length > MAX_FAN_OUT ? "truncated" : "relayed", 202);
  };
}
