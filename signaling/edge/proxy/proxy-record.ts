import type { Flow, Headers, TxnId } from "#signaling/sip-port/sip-port.ts";

/** How a request is to be forwarded. */
export interface ProxyPlan {
  /** Stay in the path of the dialog (RFC 3261 §16.6 step 4). */
  readonly recordRoute: boolean;
  /** Try the contacts of a 3xx instead of passing it back (§16.5). */
  readonly followRedirects: boolean;
  /** All targets at once, or one after the other. */
  readonly parallel: boolean;
  /** A target that has said nothing after this long is given up, in ms. */
  readonly provisionalMs?: number;
  /** A target that has not answered for good after this long is given up, in ms. */
  readonly finalMs?: number;
  /** Replace headers of the request, or are added to it. */
  readonly headers: Headers;
}

/** One target that was tried: a client transaction, in the leg of this number. */
export interface ProxyBranch {
  readonly uri: string;
  /** Nothing but a 2xx of it counts any more. */
  readonly done: boolean;
  /** When it is given up at the latest: the final timeout. */
  readonly giveUpAtMs?: number;
}

/** One request on its way through: the response context of RFC 3261 §16. */
export interface ProxyContext {
  readonly txn: TxnId;
  readonly method: string;
  /** Where responses go. */
  readonly upstream: Flow;
  /** The request as it was received; "" when no further target will be tried. */
  readonly request: string;
  readonly plan: ProxyPlan;
  /** Targets that are still to be tried. */
  readonly waiting: readonly string[];
  /** Branches by leg number. */
  readonly branches: Readonly<Record<string, ProxyBranch>>;
  /** The best failure so far, as it would be passed back (§16.7 step 6). */
  readonly best?: string;
  /** Challenges of all failures, as header lines. */
  readonly challenges?: readonly string[];
  /** A final response has been passed back. */
  readonly answered: boolean;
}

/** What a call that is proxied needs beside its transactions. Plain JSON. */
export interface ProxyRecord {
  readonly callId: string;
  readonly callerTag: string;
  /** Where the caller's requests come from, and where the callee who answered is: for contacts that cannot be reached. */
  readonly caller: Flow;
  readonly callee?: Flow;
  /** Leg number of the next branch. */
  readonly next: number;
  /** By leg number of the server transaction: 0 for the request that began the call. */
  readonly contexts: Readonly<Record<string, ProxyContext>>;
}

/** Beyond them no leg number is taken; those of long ago are free again. */
const MAX_NUMBER = 9_999;

/** The leg number after this one. */
export const following = (number: number): number => (number >= MAX_NUMBER ? 1 : number + 1);

/** The request that a branch belongs to. */
export function contextOf(
  proxy: ProxyRecord,
  branch: number,
): { readonly number: number; readonly context: ProxyContext } | undefined {
  for (const [number, context] of Object.entries(proxy.contexts))
    if (context.branches[branch]) return { number: Number(number), context };
  return undefined;
}
