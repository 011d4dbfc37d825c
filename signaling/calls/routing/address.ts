import type { SipUri } from "#signaling/edge/message/uri.ts";

/** Whom a URI names, before the directory is asked. */
export type Addressee =
  /** A user or a talk group of the domain. */
  | { readonly kind: "name"; readonly name: string }
  /** A telephone number in E.164 form; `local`: as it was dialled, when that was without +. */
  | { readonly kind: "number"; readonly number: string; readonly local?: string }
  /** urn:service:sos and its kinds (RFC 5031). */
  | { readonly kind: "emergency" }
  /** The domain itself. */
  | { readonly kind: "domain" }
  | { readonly kind: "foreign" }
  /** Unknown scheme, or nothing we could have. */
  | { readonly kind: "none" };

/** What counts as us in the host part of a URI: the domain, and the addresses that the cluster is reached at. */
export interface OwnHosts {
  readonly domain: string;
  readonly addresses: ReadonlySet<string>;
}

const VISUAL_SEPARATORS = /[-.()]/g;

export const isOwnHost = ({ domain, addresses }: OwnHosts, host: string): boolean =>
  host === domain.toLowerCase() || addresses.has(host);

/** Reads a request-URI, To or From: `sip:`, `sips:`, `tel:` (RFC 3966), `urn:service:sos` (RFC 5031). */
export function addresseeOf(uri: SipUri | undefined, own: OwnHosts): Addressee {
  if (!uri) return { kind: "none" };
  switch (uri.scheme) {
    case "sip":
    case "sips":
      if (!isOwnHost(own, uri.host)) return { kind: "foreign" };
      if (uri.user === undefined || uri.user === "") return { kind: "domain" };
      return named(uri.user, uri.params.get("user") === "phone");
    case "tel": {
      // RFC 3966 §5.1.4: a local number of a context that is itself the beginning of a number.
      const context = uri.params.get("phone-context") ?? "";
      return named(context.startsWith("+") ? context + (uri.user ?? "") : (uri.user ?? ""), true);
    }
    case "urn":
      return /^service:sos(\.[a-z0-9.-]+)?$/i.test(uri.opaque) ? { kind: "emergency" } : { kind: "none" };
    default:
      return { kind: "none" };
  }
}

/** `+15551230001`, also with the separators that people write; `user=phone` says that it is a number (RFC 3261 §19.1.6). */
function named(user: string, phone: boolean): Addressee {
  const digits = user.split(";", 1)[0]?.replace(VISUAL_SEPARATORS, "") ?? "";
  if (/^\+[1-9]\d{1,14}$/.test(digits)) return { kind: "number", number: digits };
  if (phone && /^\d{2,15}$/.test(digits)) return { kind: "number", number: `+${digits}`, local: digits };
  return /^[a-z0-9][a-z0-9._-]{0,62}$/.test(user) ? { kind: "name", name: user } : { kind: "none" };
}
