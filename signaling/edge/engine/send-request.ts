import { afterNotify, identityOf, routeOf } from "#signaling/edge/dialog/dialog.ts";
import { nextHop } from "#signaling/edge/dialog/next-hop.ts";
import { headerKey } from "#signaling/edge/message/header-name.ts";
import { parseAddress } from "#signaling/edge/message/address.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import * as inviteClient from "#signaling/edge/transaction/invite-client.machine.ts";
import type { Flow, SipCommand } from "#signaling/sip-port/sip-port.ts";
import { credentialsOf } from "./challenge.ts";
import { parseOwn, writeHopByHop, writeRequest, type RequestPlan } from "./compose.ts";
import type { Draft } from "./draft.ts";
import { dialogWith } from "./early-dialogs.ts";
import { noteFollower } from "./followers.ts";
import { branchOf, clientTxnId, parseLegId } from "./ids.ts";
import { localResponse } from "./local-response.ts";
import type { ClientTxn, InviteClientTxn, LegRecord } from "./record.ts";
import { scheduleOf } from "./schedule.ts";
import { agreedByThem } from "#signaling/edge/dialog/session-timer.ts";
import { describeInAck, sessionHeaders } from "./session.ts";
import { patience, targetsOf } from "./failover.ts";

type Command<T extends SipCommand["type"]> = Extract<SipCommand, { type: T }>;

const INITIAL_FLOW: Flow = { transport: "udp", host: "", port: 0 };

/** Carries out `request`. While it is unanswered, the same command again sends the same bytes again. */
export function sendRequest(draft: Draft, command: Command<"request">): void {
  const address = parseLegId(command.leg);
  if (address?.call !== draft.call) return;
  const { number } = address;
  const leg = draft.leg(number) ?? draft.newLeg(number);
  const last = leg.clients.findLast(({ method }) => method === command.method);
  if (last && isOpen(last)) {
    resend(draft, last);
    return;
  }
  if (leg.dialog && (leg.dialog.state !== "early" || leg.dialog.localSeq === 0)) return;
  const seq = (leg.dialog?.localSeq ?? 0) + 1;
  const routes = (command.headers ?? [])
    .filter(([name]) => headerKey(name) === "route")
    .map(([, value]) => value);
  const dialog = {
    ...(command.method === "SUBSCRIBE" ? { usage: "subscription" as const } : {}),
    state: "early" as const,
    callId: command.leg,
    local: command.from,
    remote: command.to,
    localSeq: seq,
    routes: [],
    flow: command.flow ?? INITIAL_FLOW,
  };
  const { session: settings } = draft.context;
  const session =
    command.timed === true && settings
      ? { session: agreedByThem(undefined, { s: settings.expiresSeconds }) }
      : {};
  const account = command.account === undefined ? {} : { account: { name: command.account } };
  draft.putLeg(number, { ...leg, ...account, dialog, ...session });
  if (command.registration) noteFollower(draft, number, command.registration);
  const firstRoute = routes[0] === undefined ? undefined : parseAddress(routes[0])?.uriText;
  const hop = command.flow ? { flow: command.flow } : nextHop(firstRoute ?? command.uri);
  const plan = {
    method: command.method,
    uri: command.uri,
    branch: branchOf(command.leg, seq),
    ...identityOf(dialog, command.leg),
    callId: dialog.callId,
    seq,
    routes: [],
    headers: [...(command.headers ?? []), ...sessionHeaders(session.session, command.method)],
    body: command.body,
    contentType: command.contentType,
    contactUser: command.contactUser,
  };
  const { patienceMs } = command;
  const until = patienceMs === undefined ? {} : patience(draft, patienceMs);
  // A contact is reached over the flow it registered from; where only the URI says, a long request goes by TCP.
  const switches = !command.flow && !/;transport=/i.test(firstRoute ?? command.uri);
  dispatch(draft, number, hop, plan, until, switches);
}

/** Carries out `in-dialog`. Nothing is sent in a dialog that has ended, or that nobody has answered yet. */
export function sendInDialog(
  draft: Draft,
  command: Omit<Command<"in-dialog">, "type"> & Pick<ClientTxn, "refresh">,
  /** To-tag of the early dialog that is meant, when it is not the latest. */
  early?: string,
): void {
  const address = parseLegId(command.leg);
  const leg = address?.call === draft.call ? draft.leg(address.number) : undefined;
  if (!address || !leg) return;
  const open = leg.clients.find((txn) => txn.method === command.method && isOpen(txn));
  if (open?.refresh === true && open.method === "INVITE") {
    // RFC 3261 §14.1: one INVITE at a time. Whoever asks tries again, as when the peer's had crossed it.
    const event = command.refresh === true ? undefined : localResponse(command.leg, open, 491);
    if (event) draft.followUps.push(event);
    return;
  }
  if (open && (command.method === "BYE" || command.method === "INVITE")) {
    resend(draft, open);
    return;
  }
  const dialog = dialogWith(leg, early);
  if (!dialog || !leg.dialog || dialog.remoteTag === undefined) return;
  if (dialog.state === "ended" && !isAnsweringChallenge(command)) return;
  const seq = leg.dialog.localSeq + 1;
  const next = {
    ...(command.method === "NOTIFY"
      ? afterNotify(leg.dialog, headerOf(command, "subscription-state"))
      : leg.dialog),
    localSeq: seq,
    ...(command.method === "BYE" ? { state: "ended" as const } : {}),
  };
  draft.putLeg(address.number, { ...leg, dialog: next });
  const { uri, routes, hop } = routeOf(dialog);
  const plan = {
    method: command.method,
    uri,
    branch: branchOf(command.leg, seq),
    ...identityOf(dialog, command.leg),
    callId: dialog.callId,
    seq,
    routes,
    headers: [...sessionHeaders(leg.session, command.method), ...(command.headers ?? [])],
    body: command.body,
    contentType: command.contentType,
  };
  const traits = command.refresh === true ? { refresh: true as const } : {};
  dispatch(
    draft,
    address.number,
    nextHop(hop, dialog.routes.length === 0 ? dialog.flow : undefined),
    plan,
    traits,
  );
}

/** Carries out `prack`, in the early dialog that the response made; the same one again sends the same bytes again. */
export function sendPrack(draft: Draft, { leg, rack, early, body, contentType }: Command<"prack">): void {
  const address = parseLegId(leg);
  const known = address?.call === draft.call ? draft.leg(address.number) : undefined;
  const id = `\r\nRAck: ${rack}\r\n`;
  const sent = known?.clients.find(({ method, request }) => method === "PRACK" && request.includes(id));
  if (sent) {
    if (isOpen(sent)) resend(draft, sent);
    return;
  }
  const content = { ...(body !== undefined && { body }), ...(contentType !== undefined && { contentType }) };
  sendInDialog(draft, { leg, method: "PRACK", headers: [["RAck", rack]], ...content }, early);
}

/** Carries out `ack`: acknowledges the 2xx of the latest INVITE, once. */
export function sendAck(draft: Draft, command: Command<"ack">): void {
  const address = parseLegId(command.leg);
  const leg = address?.call === draft.call ? draft.leg(address.number) : undefined;
  const txn = latestInvite(leg);
  if (!address || !leg?.dialog || txn?.state.name !== "accepted") return;
  if (txn.ack !== undefined) {
    resendAck(draft, txn);
    return;
  }
  const { dialog } = leg;
  const { uri, routes, hop } = routeOf(dialog);
  const plan = {
    method: "ACK",
    uri,
    branch: branchOf(command.leg, txn.seq, true),
    ...identityOf(dialog, command.leg),
    callId: dialog.callId,
    seq: txn.seq,
    routes,
    headers: credentialsOf(txn.request),
    body: command.body,
    contentType: command.contentType,
  };
  atHop(draft, nextHop(hop, dialog.routes.length === 0 ? dialog.flow : undefined), (flow) => {
    const ack = writeRequest(draft.context, { ...plan, flow });
    const next: InviteClientTxn = { ...txn, request: "", ack, ackFlow: flow };
    draft.putClient(address.number, next);
    describeInAck(draft, address.number, command);
    resendAck(draft, next, false);
  });
}

/** Carries out `cancel`; before a provisional response it is remembered (RFC 3261 §9.1). */
export function sendCancel(draft: Draft, command: Command<"cancel">): void {
  const address = parseLegId(command.leg);
  const leg = address?.call === draft.call ? draft.leg(address.number) : undefined;
  const txn = latestInvite(leg);
  const step = txn && inviteClient.step(txn.state, { type: "cancel", nowMs: draft.context.nowMs });
  if (!address || !txn || !step) return;
  draft.putClient(address.number, { ...txn, state: step.state });
  if (step.effects.some((effect) => effect.do === "cancel")) cancelNow(draft, txn);
}

/** Sends the CANCEL, which follows from the INVITE. */
export function cancelNow(draft: Draft, txn: InviteClientTxn, retransmission = false): void {
  const invite = parseOwn(txn.request);
  if (!invite) return;
  draft.send({
    flow: txn.flow,
    text: writeHopByHop("CANCEL", invite),
    method: "CANCEL",
    status: 0,
    of: txn.id,
    retransmission,
  });
}

/** Sends the ACK of a 2xx once more. */
export function resendAck(draft: Draft, { ack, ackFlow, id }: InviteClientTxn, retransmission = true): void {
  if (ack !== undefined && ackFlow)
    draft.send({ flow: ackFlow, text: ack, method: "ACK", status: 0, of: id, retransmission });
}

/** Acknowledges a failure of our INVITE, within its transaction (RFC 3261 §17.1.1.3). */
export function ackFailure(draft: Draft, number: number, txn: InviteClientTxn, response: SipMessage): void {
  const invite = parseOwn(txn.request);
  const text = txn.ack ?? (invite && writeHopByHop("ACK", invite, response.header("to")));
  if (text === undefined) return;
  if (txn.ack === undefined) draft.putClient(number, { ...txn, request: "", ack: text });
  const retransmission = txn.ack !== undefined;
  draft.send({ flow: txn.flow, text, method: "ACK", status: 0, of: txn.id, retransmission });
}

/** Sends what a client transaction last sent. */
export function resend(draft: Draft, txn: ClientTxn): void {
  if (txn.kind === "invite-client" && txn.state.name === "cancelling") {
    cancelNow(draft, txn, true);
    return;
  }
  const { flow, request: text, method, id } = txn;
  draft.send({ flow, text, method, status: 0, txn: id, retransmission: true });
}

/** The INVITE of ours that counts: the one with the highest CSeq. */
function latestInvite(leg: LegRecord | undefined): InviteClientTxn | undefined {
  let latest: InviteClientTxn | undefined;
  for (const txn of leg?.clients ?? [])
    if (txn.kind === "invite-client" && txn.seq >= (latest?.seq ?? 0)) latest = txn;
  return latest;
}

const headerOf = ({ headers = [] }: Omit<Command<"in-dialog">, "type">, key: string): string | undefined =>
  headers.find(([name]) => headerKey(name) === key)?.[1];

/** A BYE that was refused for want of credentials has still to be taken by the peer. */
const isAnsweringChallenge = ({ method, headers = [] }: Omit<Command<"in-dialog">, "type">): boolean =>
  method === "BYE" && headers.some(([name]) => /^(?:proxy-)?authorization$/i.test(name));

const isOpen = (txn: ClientTxn): boolean => scheduleOf(txn).forgetAtMs === undefined;

/** Writes, stores and sends a request once its next hop is known. */
function dispatch(
  draft: Draft,
  number: number,
  hop: ReturnType<typeof nextHop>,
  plan: Omit<RequestPlan, "flow">,
  traits: Pick<ClientTxn, "patienceMs" | "patientUntilMs" | "refresh"> = {},
  switches = false,
): void {
  const { method, seq } = plan;
  const leg: LegRecord = draft.leg(number) ?? draft.newLeg(number);
  const id = clientTxnId(leg.leg, seq);
  const write = (flow: Flow, others: readonly Flow[] = []): ClientTxn => {
    const sinceMs = draft.context.nowMs;
    const base = {
      id,
      method,
      seq,
      flow,
      request: writeRequest(draft.context, { ...plan, flow }),
      ...traits,
      ...(others.length > 0 && { others }),
    };
    return method === "INVITE"
      ? { ...base, kind: "invite-client", state: { name: "calling", sinceMs, cancel: false } }
      : { ...base, kind: "client", state: { name: "trying", sinceMs } };
  };
  atHop(
    draft,
    hop,
    (found, more = []) => {
      const draftTxn = write(found, more);
      const [flow = found, ...others] = switches
        ? targetsOf(found, more, draftTxn.request.length)
        : [found, ...more];
      const txn = flow === found ? draftTxn : write(flow, others);
      const current = draft.leg(number);
      if (current?.dialog?.flow === INITIAL_FLOW)
        draft.putLeg(number, { ...current, dialog: { ...current.dialog, flow } });
      draft.putClient(number, txn);
      draft.send({ flow, text: txn.request, method, status: 0, txn: id });
    },
    () => {
      // No address to send to: as if the transport had failed (RFC 3263 §4.3).
      const event = localResponse(leg.leg, write(INITIAL_FLOW), 503);
      if (event) draft.followUps.push(event);
    },
  );
}

/** Does `write` with where to send to, now or once it has been looked up. */
export function atHop(
  draft: Draft,
  hop: ReturnType<typeof nextHop>,
  write: (flow: Flow, others?: readonly Flow[]) => void,
  fail = (): void => undefined,
): void {
  if (!hop) fail();
  else if ("flow" in hop) write(hop.flow);
  else draft.lookups.push({ uri: hop.uri, write, fail });
}
