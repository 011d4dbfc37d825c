import { knownInstances } from "#state/instance/instance.ts";
import type { RoleContext, RoleHandle } from "#state/instance/role.ts";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { createCalls } from "./calls/attach-calls.ts";
import { METHODS } from "./calls/capabilities.ts";
import { rehearsedControl } from "./calls/rehearsed-control.ts";
import { sharePort } from "./calls/share-port.ts";
import { openEdge, rehearse, REHEARSED_CALLEE } from "./edge/index.ts";
import { deliverToClient, wireDelivery } from "./edge/wire/wire-delivery.ts";
import { createWireServer } from "./edge/wire/wire-server.ts";

/** A SIP server, call control, and a port for drachtio applications, in one process. */
export async function startWithEdge(context: RoleContext): Promise<RoleHandle> {
  const { config, instance, log, redis } = context;
  const edge = openEdge({
    context,
    allow: METHODS.join(", "),
    onRpc(request) {
      const delivered = deliverToClient(wire, request);
      if (delivered) return Promise.resolve(delivered);
      return Promise.reject(
        new CrossbandError(ErrorCode.RpcRefused, "no such resource", { path: request.path }),
      );
    },
  });
  const calls = createCalls({
    context,
    port: edge.port,
    rpc: edge.rpc,
    registry: edge.registry,
    conduct: edge.sockets.guard,
  });
  const shared = sharePort(edge.port);
  const wire = createWireServer({
    config,
    port: shared.forApplications,
    instance,
    log,
    peers: wireDelivery(edge.rpc, instance, () => knownInstances(redis)),
  });
  edge.port.handle(shared.handler(calls.handler, () => wire.clients));
  // Who listens is given calls at once: the kernel shares them out among the processes of a port.
  await rehearse((port) => rehearsedControl(port, REHEARSED_CALLEE), log);
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
