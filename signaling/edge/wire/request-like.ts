import { buildRequest } from "#signaling/edge/message/build.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { LegId } from "#signaling/sip-port/sip-port.ts";

/** A request that shares the dialog identifiers of an INVITE: its CANCEL, or a BYE by its callee. */
export function requestLike(invite: SipMessage, method: string): string {
  const copied = ["Via", "From", "To", "Call-ID"].map((name) => [name, invite.header(name) ?? ""] as const);
  const headers = [...copied, ["CSeq", `${invite.cseq.seq} ${method}`], ["Max-Forwards", "70"]] as const;
  return buildRequest({ method, uri: invite.uri, headers });
}

/** The BYE that is told when the ACK of this INVITE's 2xx does not come; by the callee, so From and To change places. */
export function byeOf(inviteText: string, leg: LegId): string {
  const parsed = parseMessage(inviteText);
  if (!parsed.ok) return "";
  const bye = requestLike(parsed.message, "BYE");
  const from = parsed.message.header("from") ?? "";
  const to = parsed.message.header("to") ?? "";
  const tagged = parsed.message.to.tag === undefined ? `${to};tag=${leg}` : to;
  return bye.replace(`\r\nFrom: ${from}\r\nTo: ${to}\r\n`, () => `\r\nFrom: ${tagged}\r\nTo: ${from}\r\n`);
}
