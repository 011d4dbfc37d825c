import type { TalkGroup, Trunk, User } from "#state/directory/provision.ts";
import type { InboundNumber } from "#state/directory/trunk-schema.ts";
import { inboundOf, toE164 } from "#signaling/calls/trunk/trunk-numbers.ts";
import type { Addressee } from "./address.ts";

/** What the directory knows, as far as routing needs it. */
export interface Lookup {
  talkGroup(id: string): Promise<TalkGroup | undefined>;
  user(id: string): Promise<User | undefined>;
  trunks(): Promise<readonly Trunk[]>;
  /** The talk group that emergency calls reach. */
  readonly emergencyGroup: string | undefined;
}

export type Target =
  | { readonly kind: "group"; readonly group: TalkGroup }
  | { readonly kind: "user"; readonly user: User }
  /** A number that is none of ours. */
  | { readonly kind: "outside"; readonly dialled: Extract<Addressee, { kind: "number" }> }
  | { readonly kind: "unknown" };

const UNKNOWN: Target = { kind: "unknown" };

/** Finds whom an address names: talk groups and users share one name space; a number is a trunk's DID. */
export async function findTarget(addressee: Addressee, lookup: Lookup): Promise<Target> {
  switch (addressee.kind) {
    case "name":
      return byName(addressee.name, lookup);
    case "number": {
      const inbound = await inboundNumber(addressee, lookup);
      return inbound ? byName(inbound.to, lookup) : { kind: "outside", dialled: addressee };
    }
    case "emergency":
      return lookup.emergencyGroup === undefined ? UNKNOWN : byName(lookup.emergencyGroup, lookup);
    case "domain":
    case "foreign":
    case "none":
      return UNKNOWN;
  }
}

/** What a dialled number leads to among the numbers of every trunk: those of the domain. */
async function inboundNumber(
  { number, local }: Extract<Addressee, { kind: "number" }>,
  lookup: Lookup,
): Promise<InboundNumber | undefined> {
  for (const trunk of await lookup.trunks()) {
    const whole = local === undefined ? number : (toE164(local, trunk) ?? number);
    const inbound = inboundOf(trunk.inbound, whole);
    if (inbound) return inbound;
  }
  return undefined;
}

/** Whom a number leads to that came in over a trunk; only the trunk's own numbers lead anywhere. */
export async function findInbound(trunk: Trunk, number: string, lookup: Lookup): Promise<Target> {
  const inbound = inboundOf(trunk.inbound, number);
  return inbound ? byName(inbound.to, lookup) : UNKNOWN;
}

async function byName(name: string, lookup: Lookup): Promise<Target> {
  const group = await lookup.talkGroup(name);
  if (group) return { kind: "group", group };
  const user = await lookup.user(name);
  return user ? { kind: "user", user } : UNKNOWN;
}
