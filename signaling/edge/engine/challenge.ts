import type { Challenged, Headers, SipCommand } from "#signaling/sip-port/sip-port.ts";
import { credentialsIn, parseOwn } from "./compose.ts";
import type { Draft } from "./draft.ts";
import { isCancelled, patience, sendAnew } from "./failover.ts";
import { parseLegId } from "./ids.ts";
import type { ClientTxn } from "./record.ts";

type Command<T extends SipCommand["type"]> = Extract<SipCommand, { type: T }>;

/** One look at the text spares most requests the parsing. */
const HAS_CREDENTIALS = /\r\n(?:Proxy-)?Authorization\s*:/i;

/** Carries out `account`. */
export function setAccount(draft: Draft, { leg, account }: Omit<Command<"account">, "type">): void {
  const address = parseLegId(leg);
  if (address?.call !== draft.call) return;
  const known = draft.leg(address.number) ?? draft.newLeg(address.number);
  if (known.account?.name !== account) draft.putLeg(address.number, { ...known, account: { name: account } });
}

/**
 * What a refusal asks of the account of its leg; undefined when it is no challenge, or nobody wants the request any more. A
 * BYE is wanted although its dialog is over (RFC 3261 §15.1.1): the peer has not taken it yet.
 *
 * @param txn as it was before the refusal
 */
export function challengeOf(
  draft: Draft,
  number: number,
  txn: ClientTxn,
  status: number,
): Challenged | undefined {
  if (status !== 401 && status !== 407) return undefined;
  const { account, dialog } = draft.leg(number) ?? {};
  const wanted = dialog && (dialog.state !== "ended" || txn.method === "BYE") && !isCancelled(txn);
  const request = account && wanted ? parseOwn(txn.request) : undefined;
  if (!account || !request) return undefined;
  draft.challenged = { number, txn };
  return {
    account: account.name,
    uri: request.uri,
    credentials: credentialsIn(request),
    repeated: txn.repeated ?? 0,
    ...(account.nonce && { nonce: account.nonce }),
  };
}

/** Carries out `authorize`. */
export function authorize(draft: Draft, command: Omit<Command<"authorize">, "type">): void {
  const { txn: id, headers, nonce } = command;
  const { number, txn } = draft.challenged ?? {};
  if (number === undefined || !txn || (txn.as ?? txn.id) !== id) return;
  draft.challenged = undefined;
  const traits = {
    repeated: (txn.repeated ?? 0) + 1,
    ...(txn.patienceMs !== undefined && patience(draft, txn.patienceMs)),
  };
  if (!sendAnew(draft, number, txn, txn.flow, txn.others ?? [], headers, traits)) return;
  const leg = draft.leg(number);
  if (leg?.account) draft.putLeg(number, { ...leg, account: { ...leg.account, nonce } });
}

/** The credentials of an INVITE, which its ACK repeats (RFC 3261 §22.1): an ACK cannot be challenged. */
export function credentialsOf(invite: string): Headers {
  const request = HAS_CREDENTIALS.test(invite) ? parseOwn(invite) : undefined;
  return request ? credentialsIn(request) : [];
}
