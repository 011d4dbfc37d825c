import type { SipEvent, SipHandler, Step } from "#signaling/sip-port/sip-port.ts";

interface Waiting {
  readonly txn: string;
}

const ANSWER = "answer";
/** How long the phone rings, in ms. */
export const RING_MS = 1_500;

/** Rings, and answers by a timer of the step; the answer must come although the instance that rang has died. */
export function slowHandler(
  told: (event: SipEvent | { readonly type: "recover" | "timer" }) => void,
): SipHandler {
  return {
    async onEvent(event, step) {
      step.after(() => {
        told(event);
      });
      if (event.type !== "request") return;
      if (event.message.method !== "INVITE") {
        step.command({ type: "reply", txn: event.txn, status: 200 });
        return;
      }
      step.save({ txn: event.txn } satisfies Waiting);
      step.command({ type: "reply", txn: event.txn, status: 180 });
      step.timer(ANSWER, Date.now() + RING_MS);
      return Promise.resolve();
    },
    async onTimer(name, step) {
      step.after(() => {
        told({ type: "timer" });
      });
      if (name === ANSWER) await answer(step);
    },
    recover(step) {
      step.after(() => {
        told({ type: "recover" });
      });
      return Promise.resolve();
    },
  };
}

async function answer(step: Step): Promise<void> {
  const state = await step.load<Waiting>();
  if (state)
    step.command({
      type: "reply",
      txn: state.txn,
      status: 200,
      body: "v=0\r\n",
      contentType: "application/sdp",
    });
}
