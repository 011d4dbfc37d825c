import type { TalkGroup, Trunk, User } from "#state/directory/provision.ts";
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
  | { readonly kind: "unknown" };

const UNKNOWN: Target = { kind: "unknown" };

/** Finds whom an address names: talk groups and users share one name space; a number is a trunk's DID. */
export async function findTarget(addressee: Addressee, lookup: Lookup): Promise<Target> {
  switch (addressee.kind) {
    case "name":
      return byName(addressee.name, lookup);
    case "number": {
      const { number } = addressee;
      const trunks = await lookup.trunks();
      const inbound = trunks.flatMap((trunk) => trunk.inbound).find(({ did }) => did === number);
      return inbound ? byName(inbound.to, lookup) : UNKNOWN;
    }
    case "emergency":
      return lookup.emergencyGroup === undefined ? UNKNOWN : byName(lookup.emergencyGroup, lookup);
    case "domain":
    case "foreign":
    case "none":
      return UNKNOWN;
  }
}

async function byName(name: string, lookup: Lookup): Promise<Target> {
  const group = await lookup.talkGroup(name);
  if (group) return { kind: "group", group };
  const user = await lookup.user(name);
  return user ? { kind: "user", user } : UNKNOWN;
}
