import type { RoleContext, RoleHandle } from "#state/instance/role.ts";
import { createCalls } from "./calls/attach-calls.ts";
import { METHODS } from "./calls/capabilities.ts";
import { rehearsedControl } from "./calls/rehearsed-control.ts";
import { sharePort } from "./calls/share-port.ts";
import { openEdge, rehearse, REHEARSED_CALLEE } from "./edge/index.ts";
import { framesFor, openWire } from "./edge/wire/open-wire.ts";
import type { WireServer } from "./edge/wire/wire-server.ts";

/** A SIP server, call control, and a port for drachtio applications, in one process. */
export async function startWithEdge(context: RoleContext): Promise<RoleHandle> {
  const edge = openEdge({
    context,
    allow: METHODS.join(", "),
    onRpc: framesFor(() => wire),
  });
  const calls = createCalls({
    context,
    port: edge.port,
    rpc: edge.rpc,
    registry: edge.registry,
    conduct: edge.sockets.guard,
  });
  const shared = sharePort(edge.port);
  const wire: WireServer = openWire(context, shared.forApplications, edge.rpc);
  edge.port.handle(shared.handler(calls.handler, () => wire.clients));
  // Who listens is given calls at once: the kernel shares them out among the processes of a port.
  await rehearse((port) => rehearsedControl(port, REHEARSED_CALLEE), context.log);
  const drachtio = await wire.listen();
  const listeners = await edge.listen();
  calls.watch();
  let closing: Promise<void> | undefined;
  return {
    role: "signaling",
    card: () => ({ listeners: { ...listeners, drachtio }, load: edge.load }),
    metrics: () => edge.registry.metrics(),
    drain: () => edge.drain(),
    close() {
      closing ??= (async () => {
        calls.close();
        await Promise.all([edge.close(), wire.close()]);
      })();
      return closing;
    },
  };
}
