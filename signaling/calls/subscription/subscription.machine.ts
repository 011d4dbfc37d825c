import { stepper, type Step, type TransitionTable } from "#common/machine.ts";
import type { SipCommand, TxnId } from "#signaling/sip-port/sip-port.ts";
import type { PackageName, Resource } from "./event-package.ts";

/** At most one NOTIFY of a subscription in this time, in ms; what changes meanwhile is in the next one. */
export const NOTIFY_GAP_MS = 1_000;
/** A new subscription looks once more after this long, in ms: by then every process knows that the resource is watched. */
export const SETTLE_MS = 2_000;

/** One subscription (RFC 6665 §4.2). Its dialog is the edge's. */
export type Subscription =
  | {
      readonly kind: "subscription";
      readonly name: "active";
      readonly leg: string;
      readonly event: PackageName;
      /** `id` parameter of the Event header: comes back in each NOTIFY. */
      readonly eventId?: string;
      readonly resource: Resource;
      readonly subscriber: string;
      readonly expiresAtMs: number;
      /** Of the next document. */
      readonly version: number;
      /** Fingerprint of the last document that was sent. */
      readonly told?: string;
      readonly sentAtMs: number;
      /** A NOTIFY has no answer yet. */
      readonly open: boolean;
      /** Something has changed since it was sent. */
      readonly dirty: boolean;
    }
  | { readonly kind: "subscription"; readonly name: "gone" };

export type Active = Extract<Subscription, { name: "active" }>;

export type EndReason = "timeout" | "noresource" | "rejected";

export type SubscriptionEvent = { readonly atMs: number } & (
  | { readonly type: "refresh"; readonly txn: TxnId; readonly seconds: number }
  | { readonly type: "changed" }
  | { readonly type: "answered"; readonly status: number; readonly local: boolean }
  | { readonly type: "timer"; readonly timer: SubscriptionTimer }
);

/** `sub-rate`: a NOTIFY may go again. `sub-look`: look for changes that nobody tells of. */
export type SubscriptionTimer = "sub-rate" | "sub-look" | "sub-expire";

export type SubscriptionEffect =
  | { readonly do: "sip"; readonly command: SipCommand }
  | { readonly do: "timer"; readonly timer: SubscriptionTimer; readonly atMs: number | undefined }
  /** Read the resource, and send it: if it is not as it was told, or in any case. */
  | { readonly do: "look"; readonly send: "if-changed" | "always" }
  /** The last NOTIFY. */
  | { readonly do: "finish"; readonly reason: EndReason }
  /** Its end has moved: the index follows. */
  | { readonly do: "index" };

const to = (
  state: Subscription,
  ...effects: SubscriptionEffect[]
): Step<Subscription, SubscriptionEffect> => ({
  state,
  effects,
});
const GONE: Subscription = { kind: "subscription", name: "gone" };

const accept = (txn: TxnId, seconds: number): SubscriptionEffect => ({
  do: "sip",
  command: { type: "reply", txn, status: 200, headers: [["Expires", String(seconds)]] },
});

export interface NewSubscription extends Pick<
  Active,
  "leg" | "event" | "eventId" | "resource" | "subscriber"
> {
  readonly txn: TxnId;
  readonly seconds: number;
  readonly atMs: number;
}

/** The first step. With 0 seconds it is a question: one NOTIFY, the last (RFC 6665 §4.4.3). */
export function startSubscription(asked: NewSubscription): Step<Subscription, SubscriptionEffect> {
  const { txn, seconds, atMs, ...rest } = asked;
  const state: Active = {
    kind: "subscription", name: "active", ...rest, expiresAtMs: atMs + seconds * 1_000, version: 0, sentAtMs: 0, open: false, dirty: false,
  }; // prettier-ignore
  if (seconds === 0) return to(state, accept(txn, 0), { do: "finish", reason: "timeout" });
  return to(
    state,
    accept(txn, seconds),
    { do: "timer", timer: "sub-expire", atMs: state.expiresAtMs },
    { do: "look", send: "always" },
    { do: "timer", timer: "sub-look", atMs: atMs + SETTLE_MS },
  );
}

/** Looks now, or as soon as a NOTIFY may go again. */
function look(state: Active, atMs: number): Step<Subscription, SubscriptionEffect> {
  if (state.dirty && (state.open || state.sentAtMs + NOTIFY_GAP_MS > atMs)) return to(state);
  if (state.open) return to({ ...state, dirty: true });
  const freeAtMs = state.sentAtMs + NOTIFY_GAP_MS;
  if (freeAtMs > atMs)
    return to({ ...state, dirty: true }, { do: "timer", timer: "sub-rate", atMs: freeAtMs });
  return to({ ...state, dirty: false }, { do: "look", send: "if-changed" });
}

/** A NOTIFY that was refused ends the subscription, but for a passing trouble (RFC 6665 §4.2.2, RFC 5057 §5.1). */
const isFatal = (status: number, local: boolean): boolean =>
  status === 408 || (!local && status >= 300 && (status < 500 || status >= 600));

export const table = {
  active: {
    refresh: (state, { txn, seconds, atMs }) => {
      if (seconds === 0) return to(state, accept(txn, 0), { do: "finish", reason: "timeout" });
      const expiresAtMs = atMs + seconds * 1_000;
      const kept: SubscriptionEffect[] = [
        accept(txn, seconds),
        { do: "index" },
        { do: "timer", timer: "sub-expire", atMs: expiresAtMs },
      ];
      // A NOTIFY is under way: the next one goes in any case, but after it.
      if (state.open) {
        const { told: _told, ...rest } = state;
        return to({ ...rest, expiresAtMs, dirty: true }, ...kept);
      }
      return to({ ...state, expiresAtMs, dirty: false }, ...kept, { do: "look", send: "always" });
    },
    changed: (state, { atMs }) => look(state, atMs),
    answered: (state, { status, local, atMs }) => {
      if (status < 200) return to(state);
      if (isFatal(status, local)) return to(GONE);
      const idle = { ...state, open: false };
      if (!state.dirty) return to(idle);
      const freeAtMs = state.sentAtMs + NOTIFY_GAP_MS;
      if (freeAtMs > atMs) return to(idle, { do: "timer", timer: "sub-rate", atMs: freeAtMs });
      return to({ ...idle, dirty: false }, { do: "look", send: "if-changed" });
    },
    timer: (state, { timer, atMs }) => {
      switch (timer) {
        case "sub-expire":
          return atMs < state.expiresAtMs ? to(state) : to(state, { do: "finish", reason: "timeout" });
        case "sub-rate":
          return state.dirty && !state.open
            ? to({ ...state, dirty: false }, { do: "look", send: "if-changed" })
            : to(state);
        case "sub-look":
          return look(state, atMs);
      }
    },
  },
  gone: {},
} satisfies TransitionTable<Subscription, SubscriptionEvent, SubscriptionEffect>;

export const stepSubscription = stepper<Subscription, SubscriptionEvent, SubscriptionEffect>(table);

/** The state once a document has gone out, or was found to be the one that was told last. */
export const notified = (state: Active, told: string, atMs: number): Active => ({
  ...state, told, version: state.version + 1, sentAtMs: atMs, open: true,
}); // prettier-ignore

export const gone = GONE;
