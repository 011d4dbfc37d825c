import type { Phone } from "#test/peers/sip-phone/phone.ts";
import { DOMAIN, GROUP } from "./cluster.ts";
import { openPhone, passwordOf } from "./peers.ts";

/** A caller and a callee who have one call at a time. */
export interface Slot {
  readonly caller: Phone;
  readonly callee: Phone;
  /** In every message of the slot's calls, on either leg, and in nobody else's. */
  readonly marker: string;
}

const callerOf = (index: number): string => `c${index}`;
const calleeOf = (index: number): string => `d${index}`;

/** The provisioning file of a cluster with so many slots. */
export function provisionFor(slots: number): string {
  const users = Array.from({ length: slots }, (_, index) => [callerOf(index), calleeOf(index)]).flat();
  return JSON.stringify({
    domain: DOMAIN,
    agencies: [{ id: "chaos", name: "Chaos" }],
    users: users.map((id) => ({ id, agency: "chaos", name: id, password: passwordOf(id) })),
    talkGroups: [{ id: GROUP, agency: "chaos", name: "Chaos", mode: "full-duplex" }],
  });
}

/** Opens and registers the phones of all slots. */
export async function openSlots(count: number, server: string): Promise<Slot[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const [caller, callee] = await Promise.all(
        [callerOf(index), calleeOf(index)].map(async (user) => {
          const phone = await openPhone(server, DOMAIN, user);
          await phone.register({ expires: 3_600 });
          return phone;
        }),
      );
      if (!caller || !callee) throw new Error("a slot has two phones");
      return { caller, callee, marker: `sip:${callerOf(index)}@` };
    }),
  );
}

export function closeSlots(slots: readonly Slot[]): void {
  for (const { caller, callee } of slots) {
    caller.close();
    callee.close();
  }
}
