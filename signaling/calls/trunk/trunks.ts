import type { Clock } from "#common/clock.ts";
import type { User } from "#state/directory/provision.ts";
import type { Binding } from "#state/registration/binding.ts";
import type { PeerStatus } from "#state/trunk/peer-status.ts";
import { authorizationFor, mayAnswer } from "#signaling/calls/auth/digest-client.ts";
import type { HeaderList } from "#signaling/calls/capabilities.ts";
import { admitInvite, type Admitted } from "#signaling/calls/call/admit-invite.ts";
import type { CallTrunks } from "#signaling/calls/call/call-runner.ts";
import { addresseeOf, type OwnHosts } from "#signaling/calls/routing/address.ts";
import { findInbound, findTarget, type Lookup, type Target } from "#signaling/calls/routing/target.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import type { Challenged, SipEvent, Step } from "#signaling/sip-port/sip-port.ts";
import { isPrivate, outsideCallerOf } from "./caller-id.ts";
import { challengeOf } from "./duty-messages.ts";
import { trunkAt, type OpenTrunk, type TrunkBook } from "./trunk-book.ts";
import { inboundOf, toE164 } from "./trunk-numbers.ts";
import { routesTo, type Dialled, type Routes } from "./trunk-routes.ts";

type Request = Extract<SipEvent, { type: "request" }>;
type Response = Extract<SipEvent, { type: "response" }>;

/** What call control asks about trunks. */
export interface Trunks {
  /** The trunk that a request came from by its address. */
  at(request: Request): Promise<OpenTrunk | undefined>;
  /** The trunk whose account has this username. */
  byUsername(username: string): Promise<OpenTrunk | undefined>;
  /** Lets a call in that came over a trunk, or says why not. */
  admit(request: Request, open: OpenTrunk, own: OwnHosts, call: string): Promise<Admitted>;
  /** Where a number outside is reached, for a user. */
  routes(dialled: Dialled, user: User, message: SipMessage): Promise<Routes>;
  /** Sends a request again that a carrier wants credentials for; false when there are none that would help. */
  authorize(event: Response, challenged: Challenged, step: Step): Promise<boolean>;
}

export interface TrunksOptions {
  readonly secret: string;
  readonly clock: Pick<Clock, "now">;
  readonly book: TrunkBook;
  readonly slots: Pick<CallTrunks, "claim">;
  readonly lookup: Lookup;
  readonly bindings: (user: string) => Promise<readonly Binding[]>;
  readonly statuses: (trunk: string) => Promise<ReadonlyMap<string, PeerStatus>>;
  readonly ringMs: number;
}

const reason = (status: number, text: string): HeaderList => [
  ["Reason", `SIP;cause=${status};text="${text}"`],
];

export function createTrunks(options: TrunksOptions): Trunks {
  const { secret, clock, book, slots, lookup, bindings, statuses, ringMs } = options;

  const targetOf = async (message: SipMessage, open: OpenTrunk): Promise<Target> => {
    if (message.requestUri?.scheme === "urn")
      return findTarget(addresseeOf(message.requestUri, NOBODY), lookup);
    const number = calledNumber(message, open);
    return number === undefined ? { kind: "unknown" } : findInbound(open.trunk, number, lookup);
  };

  return {
    async at({ message, source }) {
      const trunks = await book.trunks();
      if (trunks.length === 0) return undefined;
      return trunkAt(trunks, source, message.requestUri, (open) => {
        const number = calledNumber(message, open);
        return number !== undefined && inboundOf(open.trunk.inbound, number) !== undefined;
      });
    },

    byUsername: async (username) => (await book.trunks()).find(({ trunk }) => trunk.username === username),

    async admit(request, open, own, call) {
      const { trunk } = open;
      const { message } = request;
      if (message.method !== "INVITE")
        return { status: 403, headers: reason(403, "trunks carry calls only") };
      // Of its own calls a carrier needs to take none over; others are none of its business (RFC 3891 §3).
      if (message.header("replaces") !== undefined)
        return { status: 403, headers: reason(403, "trunks take no calls over") };
      const target = await targetOf(message, open);
      const reached = target.kind === "user" ? await bindings(target.user.id) : [];
      const caller = outsideCallerOf(message, trunk, own.domain);
      const admitted = admitInvite({
        call, request, target, ringMs, bindings: reached, domain: own.domain, atMs: clock.now(),
        user: { id: caller.id, name: caller.name, agency: "", priority: OUTSIDE_PRIORITY },
        outside: { trunk: trunk.id, from: caller.from, anchored: trunk.media === "anchored" },
      }); // prettier-ignore
      if (!("start" in admitted)) return admitted;
      // Asked last: what is refused in any case takes no room.
      const claim = await slots.claim(trunk.id, call);
      if (claim === "claimed") return admitted;
      const status = trunk.whenFull;
      const text = claim === "full" ? "the trunk has no room" : "too many calls at once";
      return { status, headers: [...reason(status, text), ...(status === 503 ? RETRY_AFTER : [])] };
    },

    async routes(dialled, user, message) {
      const trunks = await book.trunks();
      const known = new Map<string, ReadonlyMap<string, PeerStatus>>();
      for (const { trunk } of trunks)
        if (trunk.outbound.length > 0) known.set(trunk.id, await statuses(trunk.id));
      const call = { dialled, user, hidden: isPrivate(message), atMs: clock.now() };
      return routesTo(call, trunks, (id) => known.get(id) ?? new Map());
    },

    async authorize({ leg, txn, method, status, message }, challenged, step) {
      const challenge = challengeOf(message, status);
      if (!challenge || !mayAnswer(challenge, challenged)) return false;
      const open = (await book.trunks()).find(({ trunk }) => trunk.id === challenged.account);
      const { username, password } = open?.trunk ?? {};
      if (username === undefined || password === undefined) return false;
      const { uri, nonce: used } = challenged;
      const count = used?.nonce === challenge.nonce ? used.count + 1 : 1;
      const credentials = authorizationFor(challenge, {
        account: { username, password }, method, uri, count, seed: `${secret}|${leg}`,
      }); // prettier-ignore
      const nonce = { nonce: challenge.nonce, count };
      step.command({ type: "authorize", leg, txn, headers: [credentials], nonce });
      return true;
    },
  };
}

/** Between users who have none of their own. */
const OUTSIDE_PRIORITY = 5;
/** `urn:` names no host. */
const NOBODY: OwnHosts = { domain: "", addresses: new Set() };
const RETRY_AFTER: HeaderList = [["Retry-After", "5"]];

/**
 * The number that was called. A carrier that we are registered with may ask for our contact and say the number in To; when
 * it says none, an account with a single number means that one.
 */
function calledNumber({ requestUri, to }: SipMessage, { trunk, contactUser }: OpenTrunk): string | undefined {
  if (requestUri?.user !== contactUser) return toE164(requestUri?.user?.split(";", 1)[0] ?? "", trunk);
  const [only, ...others] = trunk.inbound;
  return toE164(to.uri.user?.split(";", 1)[0] ?? "", trunk) ?? (others.length === 0 ? only?.did : undefined);
}
