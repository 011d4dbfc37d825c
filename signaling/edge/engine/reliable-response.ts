import { headerKey } from "#signaling/edge/message/header-name.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import {
  firstRseq,
  respond,
  type Reliability,
} from "#signaling/edge/transaction/reliable-provisional.machine.ts";
import type { Headers } from "#signaling/sip-port/sip-port.ts";
import type { Draft } from "./draft.ts";
import type { Answer, InviteServerTxn } from "./record.ts";

const OPTION = "100rel";

/** What an INVITE says of reliable provisional responses; undefined for nothing. */
export function reliabilityOf(request: SipMessage): Reliability | undefined {
  // One look at the text spares most INVITEs the lists.
  if (!/100rel/i.test(request.text)) return undefined;
  if (names(request.headers("require"))) return "required";
  return names(request.headers("supported")) ? "supported" : undefined;
}

/** What a response of an INVITE becomes under RFC 3262; undefined when it does not go out now. */
export function planProvisional(
  draft: Draft,
  number: number,
  txn: InviteServerTxn,
  parts: Answer,
): { readonly txn: InviteServerTxn; readonly parts: Answer } | undefined {
  if (txn.state.name !== "proceeding" || (txn.reliability === undefined && !txn.provisionals))
    return { txn, parts };
  // An application of the wire asks for it by the header (RFC 3262 §3), our own call control by the flag.
  const asked = parts.reliable === true || requires(parts.headers);
  const { state, action } = respond(txn.provisionals, parts, {
    reliable: txn.reliability === "required" || (asked && txn.reliability === "supported"),
    described: parts.body !== undefined && parts.body !== "",
    nowMs: draft.context.nowMs,
    first: firstRseq(draft.call),
  });
  const next = state === undefined ? txn : { ...txn, provisionals: state };
  if (action.do === "send") return { txn: next, parts };
  if (action.do === "send-reliably" && state) return { txn: next, parts: numbered(parts, state.rseq) };
  if (action.do === "hold") draft.putServer(number, next);
  return undefined;
}

/** With the headers of RFC 3262 §3, in place of those that an application gave. */
const numbered = (parts: Answer, rseq: number): Answer => ({
  ...parts,
  headers: [
    ["Require", OPTION],
    ["RSeq", String(rseq)],
    ...(parts.headers ?? []).filter(([name]) => !["require", "rseq"].includes(headerKey(name))),
  ],
});

const names = (tags: readonly string[]): boolean => tags.some((tag) => tag.toLowerCase() === OPTION);
const requires = (headers: Headers = []): boolean =>
  headers.some(([name, value]) => headerKey(name) === "require" && names(value.split(/\s*,\s*/)));
