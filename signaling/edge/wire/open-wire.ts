import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { knownInstances } from "#state/instance/instance.ts";
import type { RoleContext } from "#state/instance/role.ts";
import type { Rpc, RpcHandler } from "#state/rpc/rpc.ts";
import type { EnginePort } from "./engine-port.ts";
import { deliverToClient, wireDelivery } from "./wire-delivery.ts";
import { createWireServer, type WireServer } from "./wire-server.ts";

/** Opens a process's port for drachtio applications; those of other processes are reached by `rpc`. */
export function openWire(
  { config, instance, log, redis }: RoleContext,
  port: EnginePort,
  rpc: Rpc,
): WireServer {
  const peers = wireDelivery(rpc, instance, () => knownInstances(redis));
  return createWireServer({ config, port, instance, log, peers });
}

/** What other processes ask for: frames for applications of this one, and nothing else. */
export const framesFor =
  (wire: () => WireServer): RpcHandler =>
  (request) => {
    const delivered = deliverToClient(wire(), request);
    if (delivered) return Promise.resolve(delivered);
    return Promise.reject(
      new CrossbandError(ErrorCode.RpcRefused, "no such resource", { path: request.path }),
    );
  };
