import type { Trunk } from "#state/directory/trunk-schema.ts";
import type { User } from "#state/directory/provision.ts";
import { formatAddress, parseAddress } from "#signaling/edge/message/address.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { formatUri, type SipUri } from "#signaling/edge/message/uri.ts";
import type { Headers } from "#signaling/sip-port/sip-port.ts";
import { fromE164, toE164 } from "./trunk-numbers.ts";
import type { Peer } from "./trunk-peer.ts";

/** RFC 3323 §4.1.1.3: an address that names nobody and leads nowhere. */
export const ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>';
/** Kinds of Privacy that hide who calls (RFC 3323 §4.2, RFC 3325 §9.3). */
const HIDING: ReadonlySet<string> = new Set(["id", "user", "header"]);
const MAX_NAME = 100;

/** Somebody who calls from outside, as those who are called may know them. */
export interface OutsideCaller {
  /** The number, `name@host` of one that has none, or `anonymous`. */
  readonly id: string;
  readonly name: string;
  /** name-addr for the callee. */
  readonly from: string;
}

/** Whether the caller asked not to be shown. */
export const isPrivate = (message: SipMessage): boolean =>
  message.headers("privacy").some((value) =>
    value
      .toLowerCase()
      .split(";")
      .some((kind) => HIDING.has(kind.trim())),
  );

/** Who calls over a trunk: whom its peer asserts (RFC 3325 §5), else whom From names; nobody when the caller wants it so. */
export function outsideCallerOf(message: SipMessage, trunk: Trunk, domain: string): OutsideCaller {
  const asserted = message
    .headers("p-asserted-identity")
    .map(parseAddress)
    .find((one) => one && numberIn(one.uri));
  const { uri, displayName } = asserted ?? message.from;
  const user = numberIn(uri);
  if (isPrivate(message) || user === undefined || /^anonymous$/i.test(user) || uri.host.endsWith(".invalid"))
    return { id: "anonymous", name: "Anonymous", from: ANONYMOUS };
  const number = toE164(user, trunk);
  // A name that is no number is its carrier's: without its host it might be that of a user here.
  const id = (number ?? `${user}@${uri.host}`).slice(0, MAX_NAME);
  const shown = displayName.slice(0, MAX_NAME);
  const address = {
    scheme: "sip",
    user: number ?? user,
    host: number === undefined ? uri.host : domain,
  } as const;
  return {
    id,
    name: shown === "" ? (number ?? user).slice(0, MAX_NAME) : Buffer.from(shown, "latin1").toString("utf8"),
    from: formatAddress(formatUri(address), shown),
  };
}

const numberIn = ({ scheme, user }: SipUri): string | undefined =>
  (scheme === "sip" || scheme === "sips" || scheme === "tel") && user !== ""
    ? user?.split(";", 1)[0]
    : undefined;

/** What a carrier is told of a user of ours who calls out. */
export interface OutgoingIdentity {
  readonly from: string;
  readonly headers: Headers;
}

/** The user's number, else the trunk's, else its account: in From unless it is to be hidden, and asserted to the carrier (RFC 3325 §9.1). */
export function identityTowards(
  trunk: Trunk,
  peer: Peer,
  user: Pick<User, "name" | "number">,
  hidden: boolean,
): OutgoingIdentity {
  const number = user.number ?? trunk.callerId;
  const account = number === undefined ? trunk.username : fromE164(number, trunk);
  const name = Buffer.from(user.name, "utf8").toString("latin1");
  if (account === undefined) return { from: ANONYMOUS, headers: hidden ? [["Privacy", "id"]] : [] };
  const address = formatAddress(
    formatUri({ scheme: "sip", user: account, host: trunk.domain ?? peer.host }),
    name,
  );
  return {
    from: hidden ? ANONYMOUS : address,
    headers: [["P-Asserted-Identity", address], ...(hidden ? ([["Privacy", "id"]] as const) : [])],
  };
}
