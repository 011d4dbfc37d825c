import type { Flow, LegId, SipEvent, SipHandler, Step } from "#signaling/sip-port/sip-port.ts";

interface Bridged {
  /** The caller's INVITE. */
  readonly txn: string;
}

/** The least call control that takes a rehearsed call all the way: for a SIP server whose call control is an application's. */
export function bridge(callee: Flow): SipHandler {
  return {
    async onEvent(event, step) {
      switch (event.type) {
        case "request":
          if (event.dialog) end(event, step);
          else begin(event, step, callee);
          return;
        case "response":
          await passOn(event, step);
          return;
        case "cancel":
          step.command({ type: "cancel", leg: otherLeg(event.leg) });
          close(step);
          return;
        case "ack":
        case "ack-timeout":
        case "prack-timeout":
        case "session-expired":
        case "media-moved":
        case "proxied":
          return;
      }
    },
    onTimer: () => Promise.resolve(),
    recover: () => Promise.resolve(),
  };
}

function begin({ txn, message }: EventOf<"request">, step: Step, callee: Flow): void {
  step.save({ txn } satisfies Bridged);
  step.command({
    type: "request",
    leg: `${step.callId}.1`,
    method: message.method,
    uri: `sip:callee@${callee.host}:${callee.port}`,
    from: message.header("from")?.replace(/;tag=.*$/, "") ?? "",
    to: message.header("to") ?? "",
    flow: callee,
    ...contentOf(message),
  });
}

async function passOn({ leg, method, status, message }: EventOf<"response">, step: Step): Promise<void> {
  const call = await step.load<Bridged>();
  if (method !== "INVITE" || !call) return;
  if (status >= 200 && status < 300) step.command({ type: "ack", leg });
  step.command({ type: "reply", txn: call.txn, status, ...contentOf(message) });
}

function end({ leg, txn, message }: EventOf<"request">, step: Step): void {
  step.command({ type: "reply", txn, status: 200 });
  if (message.method !== "BYE") return;
  step.command({ type: "in-dialog", leg: otherLeg(leg), method: "BYE" });
  close(step);
}

function close(step: Step): void {
  step.cdr({ call: step.callId });
  step.save(undefined);
}

type EventOf<T extends SipEvent["type"]> = Extract<SipEvent, { type: T }>;

const otherLeg = (leg: LegId): LegId => leg.replace(/\d+$/, (number) => (number === "0" ? "1" : "0"));

const contentOf = (message: EventOf<"request">["message"]): { body?: string; contentType?: string } =>
  message.hasBody && message.contentType !== undefined
    ? { body: message.body, contentType: message.contentType }
    : {};
