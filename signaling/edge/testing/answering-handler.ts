import { SDP } from "./udp-phone.ts";
import type { SipEvent, SipHandler, Step } from "#signaling/sip-port/sip-port.ts";

interface CallState {
  readonly from: string;
  readonly answeredMs: number;
}

/**
 * The smallest call control: answers every call at once, says 200 to the rest, writes one detail record at BYE.
 * `X-Fail` in a request makes it throw, `X-Ring` leaves it unanswered, `X-Refuse: 407` refuses it so, `X-Call: 5062` calls whoever
 * is at that port of loopback.
 *
 * @param told of each event whose step was committed
 */
export function answeringHandler(
  told: (event: SipEvent | { readonly type: "recover" }) => void = () => undefined,
): SipHandler {
  return {
    async onEvent(event, step) {
      step.after(() => {
        told(event);
      });
      switch (event.type) {
        case "request":
          if (event.message.header("x-fail") !== undefined) throw new Error("asked to fail");
          if (event.message.header("x-ring") !== undefined) return;
          if (event.message.header("x-call") !== undefined) {
            callOn(event, step);
            return;
          }
          if (event.message.header("x-refuse") !== undefined) {
            const status = Number(event.message.header("x-refuse"));
            step.command({ type: "reply", txn: event.txn, status });
            return;
          }
          return event.message.method === "INVITE" ? answer(event, step) : release(event, step);
        case "ack-timeout":
        case "prack-timeout":
        case "session-expired":
          step.save(undefined);
          return;
        case "cancel":
          step.command({ type: "cancel", leg: `${step.callId}.1` });
          return;
        case "ack":
        case "response":
        case "proxied":
        case "media-moved":
          return;
      }
    },
    async onTimer() {
      // Sets none.
    },
    recover(step) {
      step.after(() => {
        told({ type: "recover" });
      });
      return Promise.resolve();
    },
  };
}

function callOn({ message }: Extract<SipEvent, { type: "request" }>, step: Step): void {
  const port = Number(message.header("x-call"));
  step.command({
    type: "request",
    leg: `${step.callId}.1`,
    method: "INVITE",
    uri: `sip:callee@127.0.0.1:${port}`,
    from: "<sip:caller@127.0.0.1>",
    to: "<sip:callee@127.0.0.1>",
    flow: { transport: "udp", host: "127.0.0.1", port },
    body: SDP,
    contentType: "application/sdp",
  });
}

async function answer(event: Extract<SipEvent, { type: "request" }>, step: Step): Promise<void> {
  const state: CallState = { from: event.message.from.uri.user ?? "", answeredMs: 1 };
  if (!event.dialog) step.save(state);
  step.command({ type: "reply", txn: event.txn, status: 200, body: SDP, contentType: "application/sdp" });
  return Promise.resolve();
}

async function release(event: Extract<SipEvent, { type: "request" }>, step: Step): Promise<void> {
  if (event.message.method === "BYE") {
    const state = await step.load<CallState>();
    if (state) step.cdr({ from: state.from, call: step.callId });
    step.save(undefined);
  }
  step.command({ type: "reply", txn: event.txn, status: 200 });
}
