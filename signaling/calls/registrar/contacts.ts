import type { Binding } from "#state/registration/binding.ts";
import { MAX_BINDINGS, type Change } from "#state/registration/register.ts";
import type { Address } from "#signaling/edge/message/address.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import type { Refused } from "#signaling/calls/capabilities.ts";
import { pathOf } from "./path.ts";

/** Shortest registration granted, in s: shorter ones would be a load and no use (RFC 3261 §10.3 item 7). */
export const MIN_EXPIRES_S = 30;
const MAX_URI_LENGTH = 512;

export type Changes = { readonly changes: readonly Change[] | "all" } | Refused;

const refuse = (status: number, headers: Refused["headers"] = []): Refused => ({ status, headers });

/** What a REGISTER asks for (RFC 3261 §10.2, §10.3 items 6 and 7; RFC 5626 §6). */
export function changesOf(message: SipMessage, source: Flow, maxSeconds: number): Changes {
  const header = message.header("expires");
  const wanted = header === undefined ? undefined : secondsOf(header);
  if (message.headers("contact").includes("*")) {
    const alone = message.contactIsWildcard && message.headers("contact").length === 1;
    return alone && wanted === 0 ? { changes: "all" } : refuse(400);
  }
  const { contacts } = message;
  if (contacts.length > MAX_BINDINGS) return refuse(403);
  const via = pathOf(message);
  if ("status" in via) return via;
  const changes: Change[] = [];
  for (const contact of contacts) {
    const seconds = Math.min(secondsOf(contact.params.get("expires")) ?? wanted ?? maxSeconds, maxSeconds);
    if (seconds > 0 && seconds < MIN_EXPIRES_S) return refuse(423, [["Min-Expires", String(MIN_EXPIRES_S)]]);
    const q = qOf(contact.params.get("q"));
    const sound =
      (contact.uri.scheme === "sip" || contact.uri.scheme === "sips") &&
      contact.uriText.length <= MAX_URI_LENGTH;
    if (!sound || q === undefined) return refuse(400);
    changes.push(changeOf(contact, seconds, q, source, via.path, message.header("user-agent")));
  }
  return { changes };
}

/** One line of the 200: the contact as the client wrote it and the seconds it has left (RFC 3261 §10.3 item 8). */
export function contactLine({ uri, q, instanceId, regId, expiresInS }: Binding): string {
  const instance = instanceId === undefined ? "" : `;+sip.instance="${instanceId}"`;
  const reg = regId === undefined ? "" : `;reg-id=${regId}`;
  return `<${uri}>;expires=${expiresInS}${q === 1_000 ? "" : `;q=${q / 1_000}`}${instance}${reg}`;
}

function changeOf(
  { uri, uriText, params }: Address,
  seconds: number,
  q: number,
  flow: Flow,
  path: readonly string[],
  agent: string | undefined,
): Change {
  const instanceId = /^"?(<[^<>"\\]{1,128}>)"?$/.exec(params.get("+sip.instance") ?? "")?.[1];
  const regId = /^[1-9]\d{0,8}$/.test(params.get("reg-id") ?? "") ? Number(params.get("reg-id")) : undefined;
  // RFC 5626 §6: a device's flow replaces itself whatever its contact says now. Else the URI is compared (RFC 3261 §19.1.4),
  // as far as it says where: parameters other than transport do not make another place of it.
  const key =
    instanceId !== undefined && regId !== undefined
      ? `${instanceId}|${regId}`
      : `${uri.scheme}:${uri.user ?? ""}@${uri.host}:${uri.port ?? ""};${(uri.params.get("transport") ?? "").toLowerCase()}`;
  return {
    key,
    seconds,
    contact: {
      uri: uriText, q, flow, ...(path.length > 0 && { path }),
      ...(agent !== undefined && { userAgent: agent.slice(0, 128) }),
      ...(instanceId !== undefined && { instanceId }),
      ...(regId !== undefined && { regId }),
    },
  }; // prettier-ignore
}

/** RFC 3261 §20.19: a value that is no number counts as the default. */
const secondsOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;

/** Thousandths; undefined when it is no qvalue (RFC 3261 §25.1). */
function qOf(text: string | undefined): number | undefined {
  if (text === undefined) return 1_000;
  return /^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(text) ? Math.round(Number(text) * 1_000) : undefined;
}
