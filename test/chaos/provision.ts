import { DOMAIN, GROUP } from "./cluster.ts";

/** Who takes part in the call of a slot. */
export const callerOf = (slot: number): string => `c${slot}`;
export const calleeOf = (slot: number): string => `d${slot}`;
/** Somebody outside, behind a trunk that only the slot's caller may use. */
export const numberOf = (slot: number): string => `+1555${String(slot).padStart(4, "0")}`;
export const trunkOf = (slot: number): string => `t${slot}`;
/** Who looks on. */
export const WATCHER = "watcher";

/** Calls that a trunk carries at once: more than its slot has, so that only what is left behind could fill it. */
const TRUNK_CALLS = 8;

const passwordOf = (user: string): string => `${user}-password`;

export const accountOf = (user: string) => ({ domain: DOMAIN, user, password: passwordOf(user) });

/**
 * The provisioning file of a cluster with so many slots.
 *
 * @param carriers where the peer of each slot's trunk is, `host:port`; without them there are no trunks
 */
export function provisionFor(slots: number, carriers: readonly string[] = []): string {
  const users = Array.from({ length: slots }, (_, slot) => [callerOf(slot), calleeOf(slot)]).flat();
  return JSON.stringify({
    domain: DOMAIN,
    agencies: [{ id: "chaos", name: "Chaos" }],
    users: [...users, WATCHER].map((id) => ({ id, agency: "chaos", name: id, password: passwordOf(id) })),
    talkGroups: [{ id: GROUP, agency: "chaos", name: "Chaos", mode: "full-duplex" }],
    trunks: carriers.map((peer, slot) => ({
      id: trunkOf(slot),
      peers: [peer],
      // Named as the caller, so that its address is in the messages of this leg too.
      username: callerOf(slot),
      password: passwordOf(callerOf(slot)),
      register: false,
      optionsSeconds: 0,
      outbound: [{ prefix: numberOf(slot) }],
      allow: [callerOf(slot)],
      maxCalls: TRUNK_CALLS,
    })),
  });
}
