import type { SipMessage } from "#signaling/edge/message/message.ts";
import { parseAddress } from "#signaling/edge/message/address.ts";
import type { Refused } from "#signaling/calls/capabilities.ts";

/** Proxies on the way to a contact, and how long each may be written. */
const MAX_PATH = 5;
const MAX_VALUE_LENGTH = 256;

/**
 * The proxies that a REGISTER came through and that want to be gone through again (RFC 3327 §5.3), the next one first. A
 * client must know of it, or whoever put them there speaks for it unasked: then 420.
 */
export function pathOf(message: SipMessage): { readonly path: readonly string[] } | Refused {
  const path = message.headers("path");
  if (path.length === 0) return { path };
  if (!message.supports("path")) return { status: 420, headers: [["Unsupported", "path"]] };
  const sound = path.every(
    (value) => value.length <= MAX_VALUE_LENGTH && parseAddress(value)?.uri.params.has("lr"),
  );
  return sound && path.length <= MAX_PATH ? { path } : { status: 400, headers: [] };
}
