import type { SipMessage } from "#signaling/edge/message/message.ts";
import { acknowledge } from "#signaling/edge/transaction/reliable-provisional.machine.ts";
import type { Draft } from "./draft.ts";
import type { LegRecord } from "./record.ts";
import { answer } from "./respond.ts";

const RACK = /^(\d{1,10})\s+(\d{1,10})\s+([A-Za-z]+)$/;

/** Matches a PRACK with the response that it acknowledges (RFC 3262 §3); the status to refuse it with otherwise. */
export function receivePrack(
  draft: Draft,
  number: number,
  leg: LegRecord,
  request: SipMessage,
): 400 | 481 | undefined {
  const rack = RACK.exec(request.header("rack") ?? "");
  if (rack?.[3] !== "INVITE") return rack ? 481 : 400;
  const [rseq, seq] = [Number(rack[1]), Number(rack[2])];
  // Everything of that INVITE has arrived: its final response was sent without waiting, and acknowledged first.
  if (seq === leg.doneInvite) return undefined;
  const txn = leg.servers.find((one) => one.kind === "invite-server" && one.seq === seq);
  const step = txn?.kind === "invite-server" ? acknowledge(txn.provisionals, rseq) : undefined;
  if (txn?.kind !== "invite-server" || !step) return 481;
  // What waited is sent at the end of the step, behind the answer to the PRACK.
  const waiting = step.released.length === 0 ? {} : { waiting: step.released };
  draft.putServer(number, { ...txn, provisionals: { ...step.state, ...waiting } });
  return undefined;
}

/** Sends what waited for a PRACK, up to the next one that has to be acknowledged. */
export function releaseAnswers(draft: Draft, number: number): void {
  for (const txn of draft.leg(number)?.servers ?? []) {
    if (txn.kind !== "invite-server" || !txn.provisionals || txn.provisionals.sinceMs !== undefined) continue;
    const { waiting = [], rseq } = txn.provisionals;
    if (waiting.length === 0) continue;
    draft.putServer(number, { ...txn, provisionals: { rseq } });
    for (const parts of waiting) {
      const current = draft.leg(number)?.servers.find(({ id }) => id === txn.id);
      if (current) answer(draft, number, current, parts);
    }
  }
}
