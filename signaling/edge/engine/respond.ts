import { buildResponse, type HeaderList } from "#signaling/edge/message/build.ts";
import { headerKey } from "#signaling/edge/message/header-name.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import * as inviteServer from "#signaling/edge/transaction/invite-server.machine.ts";
import * as nonInviteServer from "#signaling/edge/transaction/non-invite-server.machine.ts";
import type { Flow, LegId, SipCommand } from "#signaling/sip-port/sip-port.ts";
import type { Draft } from "./draft.ts";
import { planProvisional } from "./reliable-response.ts";
import { contactOf } from "./contact.ts";
import { legOfTxn, parseLegId } from "./ids.ts";
import type { Answer, InviteServerTxn, LegRecord, NonInviteServerTxn, ServerTxn } from "./record.ts";
import { answerSession } from "./session.ts";

type Reply = Extract<SipCommand, { type: "reply" }>;

export const KNOWN_METHODS: readonly string[] = [
  "INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "MESSAGE", "INFO", "UPDATE", "PRACK", "SUBSCRIBE", "NOTIFY", "REFER", "PUBLISH",
]; // prettier-ignore
export const ALLOW = KNOWN_METHODS.join(", ");

/** Methods whose success makes or refreshes a dialog, and so carries a Contact (RFC 3261 §12.1.1, 3311, 6665, 3515). */
const CONTACT_METHODS: ReadonlySet<string> = new Set(["INVITE", "UPDATE", "SUBSCRIBE", "REFER"]);
const OWNED: ReadonlySet<string> = new Set(
  ["Via", "From", "To", "Call-ID", "CSeq", "Record-Route", "Content-Length", "Content-Type"].map((name) =>
    name.toLowerCase(),
  ),
);

/** Carries out `reply`. A final answer that is there already stays: the same command twice changes nothing. */
export function reply(draft: Draft, command: Reply): void {
  const leg = parseLegId(legOfTxn(command.txn) ?? "");
  const txn = leg && draft.leg(leg.number)?.servers.find(({ id }) => id === command.txn);
  if (!leg || !txn) return;
  answer(draft, leg.number, txn, command);
}

/** Gives a transaction a response: ours or call control's. */
export function answer(draft: Draft, number: number, txn: ServerTxn, parts: Answer): void {
  const nowMs = draft.context.nowMs;
  if (txn.kind === "invite-server") {
    const planned = planProvisional(draft, number, txn, parts);
    if (!planned) return;
    ({ txn, parts } = planned);
  }
  const event = { type: "respond", status: parts.status, nowMs } as const;
  const next =
    txn.kind === "invite-server"
      ? withState(txn, inviteServer.step(txn.state, event)?.state)
      : withState(txn, nonInviteServer.step(txn.state, event)?.state);
  if (!next) return;
  finishAnswer(draft, number, next, parts);
}

/** Writes and stores the response of a transaction whose state has been stepped, and sends it. */
export function finishAnswer(draft: Draft, number: number, txn: ServerTxn, parts: Answer): void {
  const request = draft.request?.txn === txn.id ? draft.request.message : storedRequest(txn);
  const leg = draft.leg(number);
  if (!request || !leg) return;
  const text = writeResponse(draft, leg.leg, txn.flow, request, answerSession(draft, number, txn, parts));
  draft.putServer(number, { ...(parts.status < 200 ? txn : withoutRequest(txn)), response: text });
  settleDialog(draft, number, txn, parts.status);
  if (parts.status >= 200)
    draft.ended.push({ kind: txn.kind, outcome: `${Math.floor(parts.status / 100)}xx` });
  draft.send({ flow: txn.flow, text, method: txn.method, status: parts.status, of: txn.id });
}

/** An answered transaction: what only further responses would need is dropped. */
export function withoutRequest<T extends ServerTxn>(txn: T): T;
export function withoutRequest(txn: ServerTxn): ServerTxn {
  if (txn.kind === "server") {
    const { request: _request, terms: _terms, ...rest } = txn;
    return rest;
  }
  const { request: _request, reliability: _reliability, terms: _terms, provisionals, ...rest } = txn;
  return provisionals?.sinceMs === undefined ? rest : { ...rest, provisionals };
}

/** A response to a request that needs no record: refused by the edge, or answered from the request alone. */
export function writeResponse(
  draft: Pick<Draft, "context">,
  tag: LegId,
  flow: Flow,
  request: SipMessage,
  parts: Answer,
): string {
  const ours = CONTACT_METHODS.has(request.method) && parts.status > 100 && parts.status < 300;
  const given = (parts.headers ?? []).filter(([name]) => {
    const key = headerKey(name);
    return !OWNED.has(key) && !(ours && key === "contact");
  });
  const headers: HeaderList = [
    ...(ours ? ([["Contact", contactOf(draft.context, flow)]] as const) : []),
    ...(needsAllow(request.method, parts.status, given)
      ? ([["Allow", draft.context.allow ?? ALLOW]] as const)
      : []),
    ...given,
  ];
  return buildResponse(request, {
    status: parts.status,
    reason: parts.reason,
    toTag: parts.status === 100 ? undefined : tag,
    headers,
    body: parts.body,
    contentType: parts.contentType,
  });
}

/** What of a request its responses repeat; kept in the record until the final one. */
export function essentialsOf(request: SipMessage): string {
  let text = `${request.method} ${request.uri} SIP/2.0\r\n`;
  for (const name of ["Via", "Record-Route"])
    for (const value of request.headers(name)) text += `${name}: ${value}\r\n`;
  for (const name of ["From", "To", "Call-ID", "CSeq", "Timestamp"]) {
    const value = request.header(name);
    if (value !== undefined) text += `${name}: ${value}\r\n`;
  }
  return `${text}\r\n`;
}

/** The request of an unanswered transaction, read back from the record. */
export function storedRequest(txn: ServerTxn): SipMessage | undefined {
  const parsed = txn.request === undefined ? undefined : parseMessage(txn.request);
  return parsed?.ok ? parsed.message : undefined;
}

/** The status of a response that was written here. */
export const statusOf = (response: string): number => Number(response.slice(8, 11));

/** What the final response of the request that would begin a dialog makes of it. */
function settleDialog(draft: Draft, number: number, txn: ServerTxn, status: number): void {
  const leg: LegRecord | undefined = draft.leg(number);
  if (!leg?.dialog || status < 200 || leg.dialog.state !== "early") return;
  if (txn.method !== "INVITE" && txn.method !== "SUBSCRIBE" && txn.method !== "REFER") return;
  draft.putLeg(number, { ...leg, dialog: { ...leg.dialog, state: status < 300 ? "confirmed" : "ended" } });
}

const needsAllow = (method: string, status: number, given: HeaderList): boolean =>
  (status === 405 || (status >= 200 && status < 300 && (method === "INVITE" || method === "OPTIONS"))) &&
  !given.some(([name]) => headerKey(name) === "allow");

function withState<T extends InviteServerTxn | NonInviteServerTxn>(
  txn: T,
  state: T["state"] | undefined,
): T | undefined {
  return state && { ...txn, state };
}
