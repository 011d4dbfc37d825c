import { LRUCache } from "lru-cache";
import { legIdOf, legOfTxn, newCallId, parseLegId } from "#signaling/edge/engine/ids.ts";
import type { LegId } from "#signaling/sip-port/sip-port.ts";
import type { ServerIds } from "./command-frame.codec.ts";
import type { EdgeFrame } from "./edge-frame.codec.ts";

type SipFrame = Extract<EdgeFrame, { type: "sip" }>;

/** Calls whose names a process remembers when the server's ids say nothing. */
const REMEMBERED = 50_000;

export interface LegNames extends ServerIds {
  /** The leg that a frame is about; a new one for a request outside a dialog; undefined when it cannot be told. */
  legOf(frame: SipFrame, isNewRequest: boolean): LegId | undefined;
  /** Keeps what a reply tells of the ids of a leg. */
  learn(leg: LegId, ids: { readonly txn?: string; readonly dialog?: string; readonly method?: string }): void;
}

/**
 * Legs by the server's ids and back. Those of our edge hold the leg: nothing need be remembered, and any process can take
 * over. A stock drachtio-server makes up ids of its own: then this memory is all there is, and a call is lost with it.
 */
export function createLegNames(): LegNames {
  const legs = new LRUCache<string, LegId>({ max: REMEMBERED });
  const dialogs = new LRUCache<LegId, string>({ max: REMEMBERED });
  const invites = new LRUCache<LegId, string>({ max: REMEMBERED });
  return {
    legOf({ txn, dialog }, isNewRequest) {
      if (parseLegId(dialog)) return dialog;
      const inTxn = legOfTxn(txn);
      if (inTxn !== undefined && parseLegId(inTxn)) return inTxn;
      const known = legs.get(txn) ?? (dialog === "" ? undefined : legs.get(dialog));
      if (known !== undefined || !isNewRequest) return known;
      const leg = legIdOf(newCallId(), 0);
      legs.set(txn, leg);
      return leg;
    },
    learn(leg, { txn = "", dialog = "", method }) {
      if (txn !== "" && txn !== "unsolicited") {
        if (method === "INVITE") invites.set(leg, txn);
        if (legOfTxn(txn) !== leg) legs.set(txn, leg);
      }
      if (dialog === "" || dialog === leg) return;
      legs.set(dialog, leg);
      dialogs.set(leg, dialog);
    },
    dialogOf: (leg) => dialogs.get(leg) ?? leg,
    inviteOf: (leg) => invites.get(leg) ?? `${leg}-c1`,
  };
}
