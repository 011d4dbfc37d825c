import type { Flow } from "#signaling/sip-port/sip-port.ts";
import type { Connection } from "./connections.ts";

/** Connects once to a peer however many messages wait for the connection; what is open already is used again. */
export function shareConnects(
  existing: (flow: Flow) => Connection | undefined,
  open: (flow: Flow) => Promise<Connection>,
): (flow: Flow) => Promise<Connection> {
  const connecting = new Map<string, Promise<Connection>>();
  return (flow) => {
    const known = existing(flow);
    if (known) return Promise.resolve(known);
    const key = `${flow.host}:${flow.port} ${flow.name ?? ""}`;
    let attempt = connecting.get(key);
    if (!attempt) {
      attempt = open(flow).finally(() => connecting.delete(key));
      connecting.set(key, attempt);
    }
    return attempt;
  };
}
