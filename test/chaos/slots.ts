import type { Cluster } from "./cluster.ts";
import { Line, refuseAll, type Station } from "./line.ts";
import { accountOf, calleeOf, callerOf, numberOf } from "./provision.ts";
import type { Transport } from "./transports.ts";

/** A caller and a callee who have one call at a time. */
export interface Slot {
  readonly caller: Line;
  readonly callee: Line;
  /** Whom the caller reaches outside, over a trunk. */
  readonly carrier?: Station & { readonly number: string };
  /** In every message of the slot's calls, on either leg, and in nobody else's. */
  readonly marker: string;
}

/** Opens and registers the phones of all slots. Of two slots one repeats what was unanswered, and the other tries it anew. */
export async function openSlots(
  cluster: Cluster,
  count: number,
  transport: Transport,
  carriers: readonly Station[] = [],
): Promise<Slot[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const habit = index % 2 === 0 ? "repeats" : "tries anew";
      const open = (user: string): Promise<Line> =>
        Line.open({ cluster, transport, ...accountOf(user), habit });
      const [caller, callee] = await Promise.all([open(callerOf(index)), open(calleeOf(index))]);
      for (const { phone } of [caller, callee]) refuseAll(phone);
      const carrier = carriers[index];
      return {
        caller,
        callee,
        ...(carrier && { carrier: { ...carrier, number: numberOf(index) } }),
        marker: `sip:${callerOf(index)}@`,
      };
    }),
  );
}

export function closeSlots(slots: readonly Slot[]): void {
  for (const { caller, callee, carrier } of slots) {
    caller.close();
    callee.close();
    carrier?.phone.close();
  }
}
