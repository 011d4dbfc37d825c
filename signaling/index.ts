import type { RoleContext, RoleHandle } from "#state/instance/role.ts";
import { createCalls } from "./calls/attach-calls.ts";
import { openEdge } from "./edge/index.ts";

/** Starts the signaling role: a SIP server and call control in one process. */
export async function startSignaling(context: RoleContext): Promise<RoleHandle> {
  const edge = openEdge({ context });
  const calls = createCalls({ context, port: edge.port, rpc: edge.rpc, registry: edge.registry });
  edge.port.handle(calls.handler);
  const listeners = await edge.listen();
  calls.watch();
  let closing: Promise<void> | undefined;
  return {
    role: "signaling",
    card: () => ({ listeners: { ...listeners }, load: edge.load }),
    metrics: () => edge.registry.metrics(),
    drain: () => edge.drain(),
    close() {
      closing ??= (async () => {
        calls.close();
        await edge.close();
      })();
      return closing;
    },
  };
}
