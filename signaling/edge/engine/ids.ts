import { hash, randomBytes } from "node:crypto";
import { BUCKETS, bucketTag } from "#state/redis/bucket.ts";
import type { CallId, LegId, TxnId } from "#signaling/sip-port/sip-port.ts";

const DIGITS = 24;
const CALL = /^[0-9a-z]{2}[0-9a-z]{20,40}$/;
const LEG = /^([0-9a-z]{22,42})\.(\d{1,4})$/;
const REFUSAL = /^([0-9a-z]{22,42})\.r([0-9a-z]{0,8})$/;
const MAGIC = "z9hG4bK";

export interface LegAddress {
  readonly call: CallId;
  readonly number: number;
}

/**
 * The call that a request outside a dialog begins, or has begun at another instance: an INVITE, its retransmissions, its CANCEL
 * and what came of it by another way have one origin and so compute the same id, which nobody outside the cluster can choose.
 *
 * @param origin see `originOf`
 */
export function callIdOf(secret: string, methodClass: string, origin: string): CallId {
  // One keyed hash instead of the two of HMAC: what those add guards against lengthening a message whose whole digest is
  // known, and of this one no more than a part is ever seen.
  return callIdFrom(hash("sha256", `${keyBlockOf(secret)}${methodClass}|${origin}`, "hex"));
}

/** A call that starts on our side. */
export const newCallId = (): CallId => callIdFrom(randomBytes(DIGITS).toString("hex"));

export const legIdOf = (call: CallId, number: number): LegId => `${call}.${number}`;

/** Takes a tag apart; undefined when it is none of ours. */
export function parseLegId(tag: string): LegAddress | undefined {
  const match = LEG.exec(tag);
  if (!match) return undefined;
  const [, call = "", number = ""] = match;
  return isCallId(call) ? { call, number: Number(number) } : undefined;
}

/**
 * The To-tag of a refusal that no record tells of: whoever gets its ACK knows that the caller waits for nothing any more,
 * whatever has become of its INVITE.
 *
 * @param revision what the record has if the step that was refused was committed all the same
 */
export const refusalTag = (call: CallId, revision = ""): string => `${call}.r${revision}`;

/** Takes the tag of a refusal apart; undefined when it is none. */
export function parseRefusal(
  tag: string | undefined,
): { readonly call: CallId; readonly revision: string } | undefined {
  const [, call = "", revision = ""] = REFUSAL.exec(tag ?? "") ?? [];
  return isCallId(call) ? { call, revision } : undefined;
}

/** True when the text has the form of our call ids and names an existing bucket. */
export const isCallId = (text: string): boolean =>
  CALL.test(text) && Number.parseInt(text.slice(0, 2), 36) < BUCKETS;

/** The branch of a request of ours. It follows from leg and CSeq, so that doing a step again sends the same bytes. */
export const branchOf = (leg: LegId, seq: number, ack = false): string =>
  `${MAGIC}${leg}-${seq}${ack ? "a" : ""}`;

export interface BranchAddress extends LegAddress {
  readonly leg: LegId;
  readonly seq: number;
}

/** The leg and CSeq that a response is for; undefined when its branch is none of ours. */
export function parseBranch(branch: string | undefined): BranchAddress | undefined {
  const match = branch === undefined ? null : /^z9hG4bK([0-9a-z.]{24,50})-(\d{1,10})$/.exec(branch);
  const [, leg = "", seq = ""] = match ?? [];
  const address = parseLegId(leg);
  return address && { ...address, leg, seq: Number(seq) };
}

/** A transaction that a peer began, by its CSeq, which a dialog uses once (RFC 3261 §12.2.1.1). */
export const serverTxnId = (leg: LegId, seq: number): TxnId => `${leg}-s${seq}`;
/** A transaction that we began. */
export const clientTxnId = (leg: LegId, seq: number): TxnId => `${leg}-c${seq}`;

/** The leg that a transaction belongs to; undefined when the id is none of ours. */
export const legOfTxn = (txn: TxnId): LegId | undefined => /^(.+)-[sc]\d{1,10}$/.exec(txn)?.[1];

/** SHA-256 of the secret: 64 hexadecimal digits, one block of the hash, so that the key has a block of its own. */
let keyBlock: { readonly secret: string; readonly block: string } | undefined;
function keyBlockOf(secret: string): string {
  if (keyBlock?.secret !== secret) keyBlock = { secret, block: hash("sha256", secret, "hex") };
  return keyBlock.block;
}

function callIdFrom(hex: string): CallId {
  const bucket = Number.parseInt(hex.slice(0, 4), 16) % BUCKETS;
  return bucketTag(bucket) + hex.slice(4, 4 + DIGITS);
}
