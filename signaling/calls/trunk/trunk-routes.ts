import type { User } from "#state/directory/provision.ts";
import type { PeerStatus } from "#state/trunk/peer-status.ts";
import type { Destination } from "#signaling/calls/call/call-event.ts";
import type { Addressee } from "#signaling/calls/routing/address.ts";
import { formatHost } from "#signaling/edge/message/uri.ts";
import { identityTowards } from "./caller-id.ts";
import { fromE164, toE164 } from "./trunk-numbers.ts";
import { uriAt } from "./trunk-peer.ts";
import type { OpenTrunk } from "./trunk-book.ts";

export type Dialled = Extract<Addressee, { kind: "number" }>;

export interface OutsideCall {
  readonly dialled: Dialled;
  readonly user: Pick<User, "id" | "agency" | "name" | "number">;
  /** The caller is not to be shown. */
  readonly hidden: boolean;
  readonly atMs: number;
}

export type Routes =
  | { readonly number: string; readonly hops: readonly Destination[]; readonly anchored: boolean }
  | { readonly status: 403 | 404; readonly reason: string };

/** Places that one call tries, one after the other; and addresses of one peer. */
const MAX_HOPS = 8;
const MAX_ADDRESSES = 3;

interface Candidate {
  readonly open: OpenTrunk;
  readonly number: string;
  readonly prefix: number;
  readonly order: number;
}

/**
 * Where a call to an outside number may go, best first: the trunk with the longest prefix that fits, then the lowest order;
 * its peers as they are listed. Peers that are known to be dead are left out, unless all are: a wrong guess must not cut off
 * the last way out.
 *
 * @param statusOf what is known of the peers of a trunk
 */
export function routesTo(
  { dialled, user, hidden, atMs }: OutsideCall,
  trunks: readonly OpenTrunk[],
  statusOf: (trunk: string) => ReadonlyMap<string, PeerStatus>,
): Routes {
  const fitting = trunks.flatMap((open) => candidateOf(open, dialled)).sort(byPreference);
  if (fitting.length === 0) return { status: 404, reason: "no trunk takes this number" };
  const allowed = fitting.filter(({ open }) => mayCall(open, user));
  const number = allowed[0]?.number;
  if (number === undefined) return { status: 403, reason: "not allowed to call outside numbers" };
  const hops = allowed.flatMap((candidate) => hopsOf(candidate, user, hidden));
  const live = hops.filter(({ trunk }) => isLive(statusOf(trunk?.id ?? "").get(trunk?.peer ?? ""), atMs));
  const anchored = allowed.some(({ open }) => open.trunk.media === "anchored");
  return { number, anchored, hops: (live.length > 0 ? live : hops).slice(0, MAX_HOPS) };
}

const isLive = (status: PeerStatus | undefined, atMs: number): boolean =>
  status?.health?.state !== "down" && (status?.avoidUntilMs ?? 0) <= atMs;

const mayCall = ({ trunk }: OpenTrunk, { id, agency }: OutsideCall["user"]): boolean =>
  trunk.allow.some((one) => one === "*" || one === id || one === agency);

function candidateOf(open: OpenTrunk, { number: given, local }: Dialled): Candidate[] {
  const number = local === undefined ? given : toE164(local, open.trunk);
  if (number === undefined) return [];
  const rules = open.trunk.outbound.filter(({ prefix }) => number.startsWith(prefix));
  const best = rules.sort((a, b) => b.prefix.length - a.prefix.length || a.order - b.order)[0];
  return best ? [{ open, number, prefix: best.prefix.length, order: best.order }] : [];
}

const byPreference = (a: Candidate, b: Candidate): number =>
  b.prefix - a.prefix || a.order - b.order || (a.open.trunk.id < b.open.trunk.id ? -1 : 1);

function hopsOf({ open, number }: Candidate, user: OutsideCall["user"], hidden: boolean): Destination[] {
  const { trunk, peers, addresses } = open;
  const written = fromE164(number, trunk);
  return peers.flatMap((peer) => {
    const { from, headers } = identityTowards(trunk, peer, user, hidden);
    return (addresses.get(peer.text) ?? []).slice(0, MAX_ADDRESSES).map((flow): Destination => ({
      uri: uriAt(peer, written, true),
      flow,
      webrtc: false,
      key: "",
      expiresAtMs: 0,
      trunk: {
        id: trunk.id,
        peer: peer.text,
        from,
        to: `<sip:${written}@${formatHost(trunk.domain ?? peer.host)};user=phone>`,
        headers,
        failoverOn: trunk.failoverOn,
        patienceMs: trunk.firstResponseMs,
      },
    }));
  });
}
