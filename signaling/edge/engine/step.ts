import type { SipCommand, Step } from "#signaling/sip-port/sip-port.ts";
import type { Draft } from "./draft.ts";
import { reply } from "./respond.ts";
import { sendAck, sendCancel, sendInDialog, sendRequest } from "./send-request.ts";

/** Call control's view of a draft. */
export function stepOf(draft: Draft): Step {
  const open = (): Draft => {
    if (draft.closed) throw new Error("step used after its handler returned");
    return draft;
  };
  return {
    callId: draft.call,
    load<State>(): Promise<State | undefined> {
      return Promise.resolve(draft.state === "" ? undefined : (JSON.parse(draft.state) as State));
    },
    save(state, ttlMs) {
      open().state = state === undefined ? "" : JSON.stringify(state);
      if (ttlMs !== undefined && ttlMs !== draft.record.ttlMs) draft.record = { ...draft.record, ttlMs };
    },
    command(command) {
      execute(open(), command);
    },
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
    after(effect) {
      open().effects.push(effect);
    },
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
    case "cancel":
      sendCancel(draft, command);
      break;
  }
}
