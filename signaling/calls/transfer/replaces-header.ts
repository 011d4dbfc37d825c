import type { LegId } from "#signaling/sip-port/sip-port.ts";

/** Which dialog a request is to take the place of (RFC 3891 §6.1). */
export interface Replaces {
  readonly callId: string;
  /** Our tag, which is the leg. */
  readonly leg: LegId;
  /** The peer's tag. */
  readonly remoteTag: string;
  readonly earlyOnly: boolean;
}

/** Reads a Replaces value; undefined when it names no dialog that we could have. */
export function parseReplaces(value: string): Replaces | undefined {
  const [callId = "", ...params] = value.split(";").map((part) => part.trim());
  const param = (name: string) =>
    params.find((one) => one.toLowerCase().startsWith(`${name}=`))?.slice(name.length + 1);
  const [leg, remoteTag] = [param("to-tag"), param("from-tag")];
  if (callId === "" || leg === undefined || remoteTag === undefined) return undefined;
  return { callId, leg, remoteTag, earlyOnly: params.some((one) => one.toLowerCase() === "early-only") };
}

/** The Replaces that a Refer-To URI carries in its headers (RFC 3515 §2.1, RFC 5589 §7.3), unescaped. */
export function replacesIn(uriHeaders: string): string | undefined {
  for (const pair of uriHeaders.replace(/^\?/, "").split("&")) {
    const equals = pair.indexOf("=");
    if (pair.slice(0, equals).toLowerCase() !== "replaces") continue;
    try {
      return decodeURIComponent(pair.slice(equals + 1));
    } catch {
      return "";
    }
  }
  return undefined;
}

/** The call that a leg belongs to. */
export const callOfLeg = (leg: LegId): string => leg.replace(/\.\d+$/, "");
