import type { SipMessage } from "#signaling/edge/message/message.ts";
import type { SipEvent } from "#signaling/sip-port/sip-port.ts";
import type { Draft } from "./draft.ts";
import { refusalTag } from "./ids.ts";
import { keyOf } from "./origin.ts";
import type { InviteServerTxn, LegRecord } from "./record.ts";
import { storedRequest, withoutRequest, writeResponse } from "./respond.ts";

/** What a caller is told whose INVITE could not be committed (RFC 3261 §21.5.4). */
export const UNAVAILABLE = { status: 503, headers: [["Retry-After", "5"]] } as const;

/**
 * The INVITE with this branch and sent-by was told 503 although its step may have been committed: the reply of Redis did not
 * come. So it is over for the call as well, as if the peer had cancelled.
 *
 * @param revision what the refused step was to be committed as: while the record has it, nothing of the step has left
 * @returns undefined when it was answered by another instance: the ACK tells which of the answers its caller took
 */
export function abandonInvite(
  draft: Draft,
  number: number,
  key: string,
  revision = "",
): SipEvent | undefined {
  const found = find(draft, number, key);
  if (found?.txn.state.name !== "proceeding") return undefined;
  forgetUnsent(draft, revision);
  const { leg, txn } = found;
  const request = storedRequest(txn);
  const { nowMs } = draft.context;
  endEarly(draft, number);
  draft.putServer(number, {
    ...withoutRequest(txn),
    state: { name: "completed", sinceMs: nowMs },
    ...(request && {
      response: writeResponse(draft, refusalTag(draft.call, revision), txn.flow, request, UNAVAILABLE),
    }),
  });
  return { type: "cancel", leg: leg.leg, txn: txn.id, refused: true };
}

/** The ACK of such a refusal, or of one by an instance that knew nothing of the call: its caller waits for nothing any more. */
export function takeRefusal(draft: Draft, ack: SipMessage, revision: string): SipEvent | undefined {
  const found = find(draft, 0, keyOf(ack));
  if (!found) return undefined;
  const { leg, txn } = found;
  const { response: _answer, ...rest } = withoutRequest(txn);
  const confirmed = { ...rest, state: { name: "confirmed", sinceMs: draft.context.nowMs } } as const;
  switch (txn.state.name) {
    case "completed":
      draft.putServer(0, confirmed);
      return undefined;
    case "proceeding":
      forgetUnsent(draft, revision);
      endEarly(draft, 0);
      draft.putServer(0, confirmed);
      return { type: "cancel", leg: leg.leg, txn: txn.id, refused: true };
    case "accepted":
      draft.putLeg(0, {
        ...leg,
        ...(leg.dialog && { dialog: { ...leg.dialog, state: "ended" as const } }),
        servers: leg.servers.filter(({ id }) => id !== txn.id),
        doneInvite: txn.seq,
      });
      return { type: "ack-timeout", leg: leg.leg, refused: true };
    case "confirmed":
    case "terminated":
      return undefined;
  }
}

function find(
  draft: Draft,
  number: number,
  key: string,
): { readonly leg: LegRecord; readonly txn: InviteServerTxn } | undefined {
  const leg = draft.leg(number);
  for (const txn of leg?.servers ?? [])
    if (leg && txn.key === key && txn.kind === "invite-server") return { leg, txn };
  return undefined;
}

/** A dialog that the INVITE was to begin; one that stood before it stands. */
function endEarly(draft: Draft, number: number): void {
  const leg = draft.leg(number);
  if (leg?.dialog?.state === "early")
    draft.putLeg(number, { ...leg, dialog: { ...leg.dialog, state: "ended" } });
}

/** Nobody rings yet: a CANCEL would have to wait until somebody does (RFC 3261 §9.1). */
function forgetUnsent(draft: Draft, revision: string): void {
  if (revision === "" || draft.revision !== revision) return;
  for (const [number, leg] of Object.entries(draft.record.legs))
    if (leg.clients.some(isUnsent))
      draft.putLeg(Number(number), { ...leg, clients: leg.clients.filter((txn) => !isUnsent(txn)) });
}

const isUnsent = ({ state }: LegRecord["clients"][number]): boolean =>
  state.name === "calling" || state.name === "trying";
