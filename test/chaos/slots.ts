import { Line } from "./line.ts";
import { DOMAIN, GROUP, type Cluster } from "./cluster.ts";
import type { Transport } from "./transports.ts";

/** A caller and a callee who have one call at a time. */
export interface Slot {
  readonly caller: Line;
  readonly callee: Line;
  /** In every message of the slot's calls, on either leg, and in nobody else's. */
  readonly marker: string;
}

const callerOf = (index: number): string => `c${index}`;
const calleeOf = (index: number): string => `d${index}`;
const passwordOf = (user: string): string => `${user}-password`;

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

/** Opens and registers the phones of all slots. Of two slots one repeats what was unanswered, and the other tries it anew. */
export async function openSlots(cluster: Cluster, count: number, transport: Transport): Promise<Slot[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const habit = index % 2 === 0 ? "repeats" : "tries anew";
      const open = async (user: string): Promise<Line> => {
        const line = await Line.open({
          cluster,
          transport,
          domain: DOMAIN,
          user,
          password: passwordOf(user),
          habit,
        });
        const { endpoint } = line.phone;
        endpoint.onRequest = (request) => {
          if (request.method !== "ACK") endpoint.respond(request, 481, "Call/Transaction Does Not Exist");
        };
        return line;
      };
      const [caller, callee] = await Promise.all([open(callerOf(index)), open(calleeOf(index))]);
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
