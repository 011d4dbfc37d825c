import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { legIdOf, legOfTxn, newCallId, parseLegId } from "#signaling/edge/engine/ids.ts";
import { parseAddress } from "#signaling/edge/message/address.ts";
import { parseUri, type SipUri } from "#signaling/edge/message/uri.ts";
import type { Flow, LegId, SipCommand, Step } from "#signaling/sip-port/sip-port.ts";
import { appHeader, ownAddress, type AppMessage } from "./app-message.codec.ts";
import type { ClientFrame } from "./client-frame.codec.ts";
import type { WireClient } from "./clients.ts";
import { endpointOf, newFrameId, tellCdr, type WireContext } from "./context.ts";
import { makesDialog, ownerOfClient } from "./delivery.ts";
import type { SentMessage } from "./engine-port.ts";
import { encodeRefusal, encodeRequestSent, encodeResponseSent } from "./server-frame.codec.ts";
import { armAnswer } from "./pending.ts";
import { byeOf } from "./request-like.ts";
import { proxyFor } from "./wire-proxy.ts";
import { ended, NEW_CALL, save, withoutPending, type WireState } from "./wire-state.ts";

type SipCommandFrame = Extract<ClientFrame, { type: "sip" }>;
/** What an application asks of SIP. */
export type CommandFrame = Extract<ClientFrame, { type: "sip" | "proxy" }>;

/** Private header by which our own call control names the leg of a new request, so that its responses come back addressed. */
export const LEG_HEADER = "x-crossband-leg";

const NO_DIALOG = "Server error: unable to find dialog for dialog id provided";
const NO_TXN = "Response not sent due to unknown transaction";

/** Carries out what an application sends as SIP, and returns the reply frame. Any connection may name any transaction. */
export function createWireCommands(context: WireContext) {
  const { port, clock } = context;

  return async function execute(frame: CommandFrame, client: WireClient): Promise<string | undefined> {
    const nok = (reason: string): string | undefined => {
      context.counters.refused++;
      return encodeRefusal({ id: newFrameId(), to: frame.id }, "NOK", reason);
    };
    try {
      if (frame.type === "proxy") {
        const refused = await proxyFor(context, frame, client);
        return refused === undefined ? undefined : nok(refused);
      }
      const result = await carryOut(frame, client);
      return typeof result === "string" ? nok(result) : result.reply;
    } catch (error) {
      return nok(reasonOf(error));
    }
  };

  async function carryOut(
    frame: SipCommandFrame,
    client: WireClient,
  ): Promise<string | { reply: string | undefined }> {
    const { message } = frame;
    const wrong = contentProblem(message);
    if (wrong !== undefined) return wrong;
    if (message.kind === "response") return reply(frame, client);
    if (message.method === "CANCEL") return cancel(frame);
    if (frame.dialog === "") return message.method === "ACK" ? NO_DIALOG : request(frame, client);
    if (message.method === "ACK") return acknowledge(frame);
    return inDialog(frame, client);
  }

  async function reply(
    { id, txn, message }: SipCommandFrame,
    client: WireClient,
  ): Promise<string | { reply: string | undefined }> {
    if (txn === "") return "transaction id missing";
    const leg = legOfTxn(txn);
    const address = leg === undefined ? undefined : parseLegId(leg);
    if (leg === undefined || !address) return NO_TXN;
    const { status } = message;
    const sent = await port.perform(address.call, async (step) => {
      const state = (await step.load<WireState>()) ?? NEW_CALL;
      step.command({ type: "reply", txn, status, ...reasonIn(message), ...partsOf(message) });
      const open = state.pending[txn];
      if (open === undefined) return;
      // Whoever answers has the call from now on, also when another one had been told of it.
      const owner = ownerOfClient(context.instance, client);
      step.after(() => {
        context.owners.set(step.callId, client.id);
      });
      if (status < 200) {
        if (state.owner?.connection !== client.id) save(step, { ...state, owner });
        return;
      }
      const rest = withoutPending(state, txn);
      armAnswer(step, rest.pending);
      if (status >= 300 || !makesDialog(open.method))
        save(step, open.dialog && open.method !== "BYE" ? rest : ended(rest));
      else if (open.method !== "INVITE") save(step, { ...rest, owner });
      else {
        const bye = byeOf(open.text, leg);
        save(step, { ...rest, owner, unacknowledged: { ...rest.unacknowledged, [leg]: bye } });
      }
    });
    const found = sent.find((one) => one.status === status);
    if (!found) return NO_TXN;
    if (found.method === "INVITE" && status >= 200)
      if (status < 300) tellCdr(context, "start", "application", found.text, "uas");
      else tellCdr(context, "stop", "application", found.text, "call-rejected");
    const dialog = found.method === "OPTIONS" || found.method === "BYE" ? "" : leg;
    return { reply: encodeResponseSent({ ...sentReply(id, found), txn, dialog }) };
  }

  async function request(
    frame: SipCommandFrame,
    client: WireClient,
  ): Promise<string | { reply: string | undefined }> {
    const { id, message } = frame;
    const leg = wantedLeg(message) ?? legIdOf(newCallId(), 0);
    const flow = frame.hop === "" ? undefined : await hopOf(frame.hop);
    if (frame.hop !== "" && flow === undefined) return "requested protocol/transport not available";
    const from = ownAddress(appHeader(message, "from") ?? `<sip:${port.advertised}>`, port.advertised);
    const to = ownAddress(appHeader(message, "to") ?? `<${message.uri}>`, port.advertised);
    if (from === undefined || to === undefined || !parseUri(message.uri)) return "malformed address";
    const command: SipCommand = {
      type: "request",
      leg,
      method: message.method,
      uri: message.uri,
      from,
      to,
      ...(flow ? { flow } : {}),
      ...partsOf(message),
      ...contactIn(message),
    };
    const call = parseLegId(leg)?.call ?? "";
    if (isOurs(frame.hop === "" ? message.uri : frame.hop)) return "can not send request to myself";
    const sent = await port.perform(call, (step) => own(step, client, command));
    const found = sent.find(({ txn, status }) => txn !== undefined && status === 0);
    if (!found) return "Server error: request not sent";
    if (message.method === "INVITE") tellCdr(context, "attempt", "application", found.text);
    return requestSent(id, found);
  }

  async function inDialog({ id, dialog, message }: SipCommandFrame, client: WireClient) {
    const call = parseLegId(dialog)?.call;
    if (call === undefined) return NO_DIALOG;
    const { method } = message;
    const command: SipCommand = { type: "in-dialog", leg: dialog, method, ...partsOf(message) };
    const sent = await port.perform(call, (step) => own(step, client, command));
    const found = sent.find((one) => one.status === 0 && one.method === method);
    if (!found) return NO_DIALOG;
    if (method === "BYE") tellCdr(context, "stop", "application", found.text, "normal-release");
    return requestSent(id, found);
  }

  async function acknowledge({ id, dialog, message }: SipCommandFrame) {
    const call = parseLegId(dialog)?.call;
    if (call === undefined) return NO_DIALOG;
    const { body, contentType } = partsOf(message);
    const sent = await port.perform(call, (step) => {
      const content = {
        ...(body === undefined ? {} : { body }),
        ...(contentType === undefined ? {} : { contentType }),
      };
      step.command({ type: "ack", leg: dialog, ...content });
      return Promise.resolve();
    });
    const found = sent.find(({ method }) => method === "ACK");
    // The client library ACKs every final response; those of failures are the edge's and have gone already.
    if (!found)
      return "Server error: ACK for non-success final response is automatically generated by server";
    return { reply: encodeRequestSent({ ...sentReply(id, found), txn: "" }) };
  }

  async function cancel({ id, txn, message }: SipCommandFrame) {
    const leg = legOfTxn(txn);
    const address = leg === undefined ? undefined : parseLegId(leg);
    if (leg === undefined || !address) return `unable to cancel unknown transaction id: ${txn.slice(0, 64)}`;
    const sent = await port.perform(address.call, (step) => {
      step.command({ type: "cancel", leg });
      return Promise.resolve();
    });
    const found = sent.find(({ method }) => method === "CANCEL");
    // Before a provisional response the CANCEL waits (RFC 3261 §9.1): for the application it has gone.
    const text = found?.text ?? `CANCEL ${message.uri} SIP/2.0\r\nContent-Length: 0\r\n\r\n`;
    const reply = {
      id: newFrameId(),
      to: id,
      peer: endpointOf(found?.flow),
      nowMs: clock.now(),
      txn: newFrameId(),
      message: text,
    };
    return { reply: encodeRequestSent(reply) };
  }

  /** Executes a command of a client and makes the call its own. */
  async function own(step: Step, client: WireClient, command: SipCommand): Promise<void> {
    const state = (await step.load<WireState>()) ?? NEW_CALL;
    step.command(command);
    save(step, { ...state, owner: ownerOfClient(context.instance, client) });
    step.after(() => {
      context.owners.set(step.callId, client.id);
    });
  }

  function requestSent(to: string, found: SentMessage): { reply: string | undefined } {
    if (found.txn !== undefined) context.peers.set(found.txn, found.flow);
    return { reply: encodeRequestSent({ ...sentReply(to, found), txn: found.txn ?? "" }) };
  }

  function sentReply(to: string, found: SentMessage) {
    return { id: newFrameId(), to, peer: endpointOf(found.flow), nowMs: clock.now(), message: found.text };
  }

  function isOurs(text: string): boolean {
    const uri = parseUri(text);
    return uri !== undefined && `${uri.host}:${uri.port ?? 5060}` === port.advertised;
  }

  async function hopOf(hop: string): Promise<Flow | undefined> {
    const uri = parseUri(hop);
    const flow = uri && (socketOf(uri) ?? (await port.resolve(uri))[0]);
    // Our own call control has looked it up, and says what it has to prove (RFC 5922).
    const name = uri?.params.get("name");
    return flow && (name === undefined ? flow : { ...flow, name });
  }
}

/** Everything of the message that is not the edge's: the engine drops what it owns. */
function partsOf(message: AppMessage) {
  const headers = message.headers.filter(([name]) => name.toLowerCase() !== LEG_HEADER);
  return {
    headers,
    ...(message.body === "" ? {} : { body: message.body }),
    ...(message.body === "" && message.contentType === undefined
      ? {}
      : { contentType: message.contentType ?? "application/sdp" }),
  };
}

/** A hop that names a socket of an edge, as our own call control writes the way back to a phone or browser. */
function socketOf({ host, port, params }: SipUri): Flow | undefined {
  const [transport, instance, connection] = ["transport", "instance", "connection"].map((name) =>
    params.get(name),
  );
  if (instance === undefined || connection === undefined) return undefined;
  if (transport !== "tcp" && transport !== "ws" && transport !== "tls" && transport !== "wss")
    return undefined;
  return { transport, host, port: port ?? 0, instance, connection };
}

const reasonIn = ({ reason }: AppMessage): { reason?: string } => (reason === "" ? {} : { reason });

/** The leg of a new request: named by our own call control, or by From and Call-ID when it is asked again with credentials. */
function wantedLeg(message: AppMessage): LegId | undefined {
  const tag = /;\s*tag=([^;\s]+)\s*$/.exec(appHeader(message, "from") ?? "")?.[1];
  return [appHeader(message, LEG_HEADER), tag, appHeader(message, "call-id")].find(
    (name) => name !== undefined && parseLegId(name),
  );
}

/**
 * What is kept of the Contact of a new request: its user, and how long it is meant to be registered. Its address is the
 * cluster's, or nobody could reach the application by it.
 */
function contactIn(message: AppMessage): { contactUser?: string; headers?: AppMessage["headers"] } {
  const contact = parseAddress(appHeader(message, "contact") ?? "");
  const expires = contact?.params.get("expires");
  const user = contact?.uri.user;
  const asked =
    appHeader(message, "expires") === undefined && expires !== undefined && /^\d{1,10}$/.test(expires);
  return {
    ...(user !== undefined && /^[\w.+!~*'()%-]{1,128}$/.test(user) ? { contactUser: user } : {}),
    ...(asked ? { headers: [...partsOf(message).headers, ["Expires", expires]] } : {}),
  };
}

/** A body must say what it is; a session description is known by its first line. */
const contentProblem = ({ body, contentType }: AppMessage): string | undefined =>
  body === "" || contentType !== undefined || body.startsWith("v=0") ? undefined : "missing content-type";

function reasonOf(error: unknown): string {
  const code = error instanceof CrossbandError ? error.code : undefined;
  if (code === ErrorCode.DialogUnknown) return NO_DIALOG;
  if (code === ErrorCode.TransactionUnknown) return NO_TXN;
  if (code === ErrorCode.HeaderInvalid) return "malformed header";
  return "Server error: state is not available";
}
