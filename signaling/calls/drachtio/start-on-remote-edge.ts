import { Registry } from "prom-client";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { RoleContext, RoleHandle } from "#state/instance/role.ts";
import { startRpc } from "#state/rpc/rpc.ts";
import { createCalls } from "../attach-calls.ts";
import { openDrachtioPort } from "./drachtio-port.ts";

/** How long `drain` waits for steps under way, in ms. */
const DRAIN_MS = 3_000;

/**
 * Starts call control on the drachtio server that `sip.server` names, in place of an edge in this process. It has no SIP
 * sockets: phones and browsers reach the edge.
 */
export function startOnRemoteEdge(context: RoleContext): RoleHandle {
  const { config, instance, log, redis } = context;
  const registry = new Registry();
  const port = openDrachtioPort({
    server: config.sip.server,
    secret: config.drachtio.secret,
    instance,
    redis,
    log,
  });
  const rpc = startRpc(
    redis,
    context.openBlocking(),
    instance,
    ({ path }) => Promise.reject(new CrossbandError(ErrorCode.RpcRefused, "no such resource", { path })),
    log,
  );
  const calls = createCalls({ context, port, rpc, registry });
  port.handle(calls.handler);
  calls.watch();
  let closing: Promise<void> | undefined;
  return {
    role: "signaling",
    card: () => ({ listeners: {}, load: 0 }),
    metrics: () => registry.metrics(),
    async drain() {
      const deadline = Date.now() + DRAIN_MS;
      while (port.busy && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    },
    close() {
      closing ??= (async () => {
        calls.close();
        await port.close();
        await rpc.close();
      })();
      return closing;
    },
  };
}
