import { legOfTxn, parseLegId } from "#signaling/edge/engine/ids.ts";
import type { Step } from "#signaling/sip-port/sip-port.ts";
import type { ClientFrame, ProxyOrder } from "./client-frame.codec.ts";
import type { WireClient } from "./clients.ts";
import { endpointOf, newFrameId, tellCdr, type WireContext } from "./context.ts";
import { ownerOfClient, type Delivery, type EventOf } from "./delivery.ts";
import { longForm } from "./long-form.ts";
import { encodeOk, encodeProxyStep } from "./server-frame.codec.ts";
import { armAnswer } from "./pending.ts";
import { ended, NEW_CALL, save, withoutPending, type WireState } from "./wire-state.ts";

type ProxyFrame = Extract<ClientFrame, { type: "proxy" }>;

/** Carries out `proxy` of an application. Returns why not; what becomes of it is told in steps, by `onProxied`. */
export async function proxyFor(
  context: WireContext,
  frame: ProxyFrame,
  client: WireClient,
): Promise<string | undefined> {
  const owner = ownerOfClient(context.instance, client);
  return proxyRequest(context, frame.order, { owner, proxied: { frame: frame.id, full: frame.full } });
}

/** Forwards a pending request; from then on the edge does it alone. Returns why not. */
export async function proxyRequest(
  context: WireContext,
  order: ProxyOrder,
  who: Pick<WireState, "owner" | "proxied"> = {},
): Promise<string | undefined> {
  const unknown = `Unknown transaction id: ${order.txn.slice(0, 64)}`;
  const call = parseLegId(legOfTxn(order.txn) ?? "")?.call;
  if (call === undefined) return unknown;
  if (order.targets.length === 0) return "error proxying request to ";
  const found = { pending: false };
  await context.port.perform(call, async (step) => {
    const state = (await step.load<WireState>()) ?? NEW_CALL;
    const pending = state.pending[order.txn];
    found.pending = pending !== undefined && !pending.dialog;
    if (!pending || !found.pending) return;
    step.proxy({ ...order, request: pending.text, source: pending.source });
    const next = { ...withoutPending(state, order.txn), ...who };
    save(step, next);
    armAnswer(step, next.pending);
  });
  return found.pending ? undefined : unknown;
}

/** Tells who asked for it how far a forwarded request has got. */
export function onProxied(
  context: WireContext,
  delivery: Delivery,
  event: EventOf<"proxied">,
  step: Step,
  state: WireState,
): void {
  const { message, done, method, peer } = event;
  const { owner, proxied } = state;
  const status = message?.status ?? 0;
  step.after(() => {
    if (owner && proxied) {
      const reply = { id: newFrameId(), to: proxied.frame };
      const nowMs = context.clock.now();
      if (message && proxied.full)
        delivery.notify(owner, encodeProxyStep({ ...reply, peer: endpointOf(peer), nowMs, txn: "", message: longForm(message) })); // prettier-ignore
      if (done) delivery.notify(owner, encodeOk({ ...reply, id: newFrameId() }, "done"));
    }
    if (method !== "INVITE" || !message || !done) return;
    const text = longForm(message);
    if (status >= 200 && status < 300) {
      tellCdr(context, "start", "network", text, "proxy-uac");
      tellCdr(context, "start", "application", text, "proxy-uas");
    } else tellCdr(context, "stop", "application", text, status === 487 ? "call-canceled" : "call-rejected");
  });
  if (done) save(step, ended(state));
}
