import * as inviteServer from "#signaling/edge/transaction/invite-server.machine.ts";
import * as nonInviteServer from "#signaling/edge/transaction/non-invite-server.machine.ts";
import type { Draft } from "#signaling/edge/engine/draft.ts";
import type { ServerTxn } from "#signaling/edge/engine/record.ts";
import { statusOf } from "#signaling/edge/engine/respond.ts";
import { proxyOf, putContext } from "./branches.ts";

/** How long the record of a dialog that runs through us lives, in ms. */
const DIALOG_TTL_MS = 24 * 3_600_000;

/** Passes a response back to where the request came from, by its server transaction (RFC 3261 §16.7 step 9). */
export function passBack(draft: Draft, number: number, text: string): void {
  const context = proxyOf(draft)?.contexts[number];
  if (!context) return;
  const status = statusOf(text);
  const { upstream: flow, method } = context;
  const txn = draft.leg(number)?.servers.find(({ id }) => id === context.txn);
  const next = txn && stepped(txn, status, draft.context.nowMs);
  // A second 2xx is passed back as well: each makes a dialog of the caller's (§16.7 step 5).
  if (txn && !next && (status < 200 || status >= 300)) return;
  if (txn && next) {
    const { request: _stored, response: _last, ...rest } = txn;
    const kept = status < 200 ? { ...txn, response: text } : { ...rest, response: text };
    const success = status >= 200 && status < 300 && txn.kind === "invite-server";
    draft.putServer(number, { ...(success ? rest : kept), ...next } as ServerTxn);
  }
  if (status >= 200) {
    if (txn && next) draft.ended.push({ kind: txn.kind, outcome: `${Math.floor(status / 100)}xx` });
    settle(draft, number, status);
  }
  draft.send({ flow, text, method, status });
}

/** The state of a server transaction after a response. A 2xx to INVITE is not ours to repeat: its sender does. */
function stepped(txn: ServerTxn, status: number, nowMs: number): Pick<ServerTxn, "state"> | undefined {
  const event = { type: "respond", status, nowMs } as const;
  if (txn.kind === "server") return nonInviteServer.step(txn.state, event);
  const step = inviteServer.step(txn.state, event);
  return step && status >= 200 && status < 300 ? { state: { name: "confirmed", sinceMs: nowMs } } : step;
}

function settle(draft: Draft, number: number, status: number): void {
  const context = proxyOf(draft)?.contexts[number];
  if (!context) return;
  putContext(draft, number, { ...context, answered: true, request: "" });
  const { ttlMs: _ttl, ...record } = draft.record;
  if (number === 0 && context.plan.recordRoute && status < 300)
    draft.record = { ...record, ttlMs: DIALOG_TTL_MS };
  // The dialog is over, unless its BYE was only asked for credentials.
  else if (context.method === "BYE" && status !== 401 && status !== 407) draft.record = record;
}
