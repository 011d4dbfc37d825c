import * as inviteServer from "#signaling/edge/transaction/invite-server.machine.ts";
import type { SipEvent } from "#signaling/sip-port/sip-port.ts";
import type { Draft } from "./draft.ts";

/**
 * The INVITE with this branch and sent-by was refused although its step may have been committed: the reply of Redis did not
 * come. To its peer it is over, so it is to the call, as if the peer had cancelled.
 */
export function abandonInvite(draft: Draft, number: number, key: string): SipEvent | undefined {
  const leg = draft.leg(number);
  const txn = leg?.servers.find((one) => one.key === key && one.kind === "invite-server");
  if (!leg || txn?.kind !== "invite-server") return undefined;
  if (!inviteServer.step(txn.state, { type: "cancel", nowMs: draft.context.nowMs })) return undefined;
  const over = leg.dialog?.state === "early" ? { dialog: { ...leg.dialog, state: "ended" as const } } : {};
  draft.putLeg(number, {
    ...leg,
    ...over,
    servers: leg.servers.filter(({ id }) => id !== txn.id),
    doneInvite: txn.seq,
  });
  return { type: "cancel", leg: leg.leg, txn: txn.id };
}
