import type { Step as Decision } from "#common/machine.ts";
import type { GroupPolicy, Member } from "#common/media-control.ts";
import type { TalkGroup, User } from "#state/directory/provision.ts";
import type { Binding } from "#state/registration/binding.ts";
import { isSameFlow } from "#signaling/calls/auth/authenticator.ts";
import type { HeaderList } from "#signaling/calls/capabilities.ts";
import { destinationOf } from "#signaling/calls/destinations.ts";
import { oneFlowEach } from "#signaling/calls/registrar/outbound.ts";
import type { Routes } from "#signaling/calls/trunk/trunk-routes.ts";
import type { Target } from "#signaling/calls/routing/target.ts";
import { mayJoin } from "#state/directory/may-join.ts";
import { formatAddress } from "#signaling/edge/message/address.ts";
import { formatUri } from "#signaling/edge/message/uri.ts";
import type { SipEvent } from "#signaling/sip-port/sip-port.ts";
import type { AnyCall } from "./call-runner.ts";
import type { Effect } from "./effect.ts";
import { startGroupCall } from "./group-call.machine.ts";
import { sdpOf } from "./to-event.ts";
import { isWebrtc, startUserCall } from "./user-call-setup.ts";

type Request = Extract<SipEvent, { type: "request" }>;

/** A caller who has been identified, and whom it wants. */
export interface Admission {
  readonly call: string;
  readonly request: Request;
  readonly user: Pick<User, "id" | "agency" | "name" | "priority">;
  readonly target: Target;
  /** Where the called user is reached; empty for a group. */
  readonly bindings: readonly Binding[];
  /** Where a number outside is reached. */
  readonly routes?: Routes;
  /** Set for a caller from outside, in whose name `user` then stands. */
  readonly outside?: OutsideInvite;
  readonly domain: string;
  readonly ringMs: number;
  readonly atMs: number;
}

/** How a call came in over a trunk. */
export interface OutsideInvite {
  readonly trunk: string;
  /** name-addr of the caller for the callee. */
  readonly from: string;
  readonly anchored: boolean;
}

export type Admitted =
  { readonly start: Decision<AnyCall, Effect> } | { readonly status: number; readonly headers: HeaderList };

const refuse = (status: number, text?: string): Admitted => ({
  status,
  headers: text === undefined ? [] : [["Reason", `SIP;cause=${status};text="${text}"`]],
});

/** name-addr of a user in the domain. */
export const addressOf = ({ id, name }: Pick<User, "id" | "name">, domain: string): string =>
  formatAddress(
    formatUri({ scheme: "sip", user: id, host: domain }),
    Buffer.from(name, "utf8").toString("latin1"),
  );

/** Lets an INVITE in, or says why not. */
export function admitInvite({
  call,
  request,
  user,
  target,
  bindings,
  routes,
  outside,
  domain,
  ringMs,
  atMs,
}: Admission): Admitted {
  const { leg, txn, message, source } = request;
  const sdp = sdpOf(message);
  const webrtc = source.transport === "ws" || source.transport === "wss" || isWebrtc(sdp);
  const caller: Member = {
    id: user.id,
    name: user.name,
    kind: webrtc ? "browser" : "phone",
    priority: user.priority,
  };
  const reliable = message.supports("100rel");
  const invite = { leg, txn, caller, webrtc, sdp, reliable, atMs, ...(outside && { trunk: outside.trunk }) };
  switch (target.kind) {
    case "unknown":
      return refuse(404);
    case "group": {
      const { group } = target;
      // A number that leads to the group admits whoever calls it.
      if (!outside && !mayJoin(user, group)) return refuse(403, "not a member of the talk group");
      return { start: startGroupCall(call, { ...invite, type: "group-invite", policy: policyOf(group) }) };
    }
    case "user": {
      // Calling oneself reaches one's other devices.
      const destinations = oneFlowEach(bindings.filter(({ flow }) => !isSameFlow(flow, source))).map(
        destinationOf,
      );
      if (destinations.length === 0) return refuse(480, "not registered");
      const callee = { id: target.user.id, name: target.user.name, priority: target.user.priority };
      const from = outside?.from ?? addressOf(user, domain);
      const to = addressOf(target.user, domain);
      return {
        start: startUserCall(call, {
          ...invite,
          type: "user-invite",
          callee,
          from,
          to,
          destinations,
          ringMs,
          ...(outside?.anchored && { anchored: true }),
        }),
      };
    }
    case "outside": {
      // Trunks are not joined through us: what comes in over one does not leave over another.
      if (!routes || outside) return refuse(404);
      if ("status" in routes) return refuse(routes.status, routes.reason);
      const { number, hops, anchored } = routes;
      const to = formatAddress(formatUri({ scheme: "sip", user: number, host: domain }));
      const callee = { id: number, name: number, priority: 0 };
      const addresses = { from: addressOf(user, domain), to };
      return {
        start: startUserCall(call, {
          ...invite, ...addresses, type: "user-invite", callee, destinations: hops, inTurn: true, ringMs, ...(anchored && { anchored }),
        }),
      }; // prettier-ignore
    }
  }
}

/** What the media tier must know of a talk group. */
export const policyOf = ({ id, name, mode, maxTalkMs, hangMs, queue, phonePtt }: TalkGroup): GroupPolicy => ({
  id, name, mode, maxTalkMs, hangMs, queue, phonePtt,
}); // prettier-ignore
