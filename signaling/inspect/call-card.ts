import type { StoredCall } from "#state/call/stored-call.ts";
import { decodeBody, type CallRecord, type LegRecord } from "#signaling/edge/engine/record.ts";
import { isUnstable } from "#signaling/edge/engine/schedule.ts";

/** A call in one line, for tables. */
export interface CallCard {
  readonly call: string;
  /** `user`, `group`, `message` …; `application` when its call control is not ours. */
  readonly kind: string;
  readonly from: string;
  readonly to: string;
  /** As call control names it; `over` once it has let go of the call. */
  readonly state: string;
  /** Undefined when nobody noted it. */
  readonly startMs: number | undefined;
  readonly legs: number;
  /** The instance that committed last. */
  readonly worker: string;
  /** Something is under way: a request unanswered, an ACK awaited. */
  readonly unfinished: boolean;
}

/** What of call control's states is read here, where it is there: any of them may lack any of it. */
interface KnownState {
  readonly kind?: unknown;
  readonly name?: unknown;
  readonly from?: unknown;
  readonly to?: unknown;
  readonly startMs?: unknown;
  readonly policy?: { readonly id?: unknown } | null;
  readonly media?: { readonly member?: { readonly id?: unknown } | null } | null;
}

/** Reads a record. @throws SyntaxError when it is none */
export function callCardOf(call: string, stored: StoredCall): CallCard {
  const { record, state } = decodeBody(stored.body);
  const known = typeof state === "object" && state !== null ? (state as KnownState) : undefined;
  const first = record.legs[0] ?? Object.values(record.legs)[0];
  return {
    call,
    kind: textOf(known?.kind) ?? (known ? "application" : "-"),
    from: userOf(textOf(known?.from) ?? memberOf(known) ?? first?.dialog?.remote),
    to: userOf(textOf(known?.to) ?? groupOf(known) ?? first?.dialog?.local),
    state: textOf(known?.name) ?? stateOf(record),
    startMs: typeof known?.startMs === "number" ? known.startMs : undefined,
    legs: Object.keys(record.legs).length,
    worker: record.worker,
    unfinished: isUnstable(record),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

const memberOf = (state: KnownState | undefined): string | undefined =>
  state?.kind === "group" ? textOf(state.media?.member?.id) : undefined;

const groupOf = (state: KnownState | undefined): string | undefined =>
  state?.kind === "group" ? textOf(state.policy?.id) : undefined;

/** The user part of an address, or the text itself. */
function userOf(address: string | undefined): string {
  if (address === undefined) return "-";
  return /(?:sips?|tel):([^@;>]+)/i.exec(address)?.[1] ?? address;
}

function stateOf(record: CallRecord): string {
  const dialogs = Object.values(record.legs).flatMap(({ dialog }: LegRecord) => dialog?.state ?? []);
  if (dialogs.includes("confirmed")) return "confirmed";
  return dialogs.includes("early") && isUnstable(record) ? "early" : "over";
}
