import type { DialogView, LegId, SipCommand, Step } from "#signaling/sip-port/sip-port.ts";
import { parseOwn } from "./compose.ts";
import { authorize, setAccount } from "./challenge.ts";
import { startProxy, type ProxyCommand } from "#signaling/edge/proxy/start-proxy.ts";
import type { Draft } from "./draft.ts";
import { follow } from "./follow.ts";
import { parseLegId } from "./ids.ts";
import { reply } from "./respond.ts";
import { sendAck, sendCancel, sendInDialog, sendPrack, sendRequest } from "./send-request.ts";

/** A step with what only drachtio applications ask for. */
export interface EngineStep extends Step {
  proxy(command: ProxyCommand): void;
}

/** Call control's view of a draft. */
export function stepOf(draft: Draft): EngineStep {
  const open = (): Draft => {
    if (draft.closed) throw new Error("step used after its handler returned");
    return draft;
  };
  return {
    callId: draft.call,
    load<State>(): Promise<State | undefined> {
      return Promise.resolve(draft.state as State | undefined);
    },
    save(state, ttlMs) {
      open().state = state;
      const { ttlMs: before, ...record } = draft.record;
      // Nobody's record is wanted for long: what was said of the one that it had ends with it.
      if (state === undefined && before !== undefined) draft.record = record;
      else if (ttlMs !== undefined && ttlMs !== before) draft.record = { ...record, ttlMs };
    },
    command(command) {
      execute(open(), command);
    },
    dialog: (leg) => dialogView(draft, leg),
    cdr(record) {
      open().details.push(JSON.stringify(record));
    },
    timer(name, atMs) {
      const { [name]: _old, ...others } = open().record.timers;
      draft.record = {
        ...draft.record,
        timers: atMs === undefined ? others : { ...others, [name]: Math.ceil(atMs) },
      };
    },
    ahead(effect) {
      open().ahead.push(effect);
    },
    after(effect) {
      open().effects.push(effect);
    },
    proxy(command) {
      startProxy(open(), command);
    },
  };
}

function dialogView(draft: Draft, id: LegId): DialogView | undefined {
  const address = parseLegId(id);
  const leg = address?.call === draft.call ? draft.leg(address.number) : undefined;
  if (!leg?.dialog) return undefined;
  const { state, callId, remoteTag } = leg.dialog;
  const invite = leg.clients.findLast(({ method, request }) => method === "INVITE" && request !== "");
  const sentBody = invite && parseOwn(invite.request)?.body;
  return {
    state,
    callId,
    ...(remoteTag !== undefined && { remoteTag }),
    ...(sentBody !== undefined && { sentBody }),
  };
}

function execute(draft: Draft, command: SipCommand): void {
  switch (command.type) {
    case "reply":
      reply(draft, command);
      break;
    case "request":
      sendRequest(draft, command);
      break;
    case "in-dialog":
      sendInDialog(draft, command);
      break;
    case "ack":
      sendAck(draft, command);
      break;
    case "prack":
      sendPrack(draft, command);
      break;
    case "follow":
      follow(draft, command);
      break;
    case "account":
      setAccount(draft, command);
      break;
    case "authorize":
      authorize(draft, command);
      break;
    case "cancel":
      sendCancel(draft, command);
      break;
  }
}
