import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Rpc, RpcRequest } from "#state/rpc/rpc.ts";
import type { WireServer } from "./wire-server.ts";

const PREFIX = "/wire/";
const DELIVERY_MS = 1_000;

/** Hands a frame to an application attached to another instance. */
export function wireDelivery(rpc: Rpc) {
  return async (instance: string, connection: string, frame: string): Promise<boolean> => {
    const request: RpcRequest = { method: "POST", path: `${PREFIX}${connection}`, body: { frame } };
    const answer = (await rpc.call(instance, request, DELIVERY_MS)) as { delivered?: unknown } | null;
    return answer?.delivered === true;
  };
}

/** The other end: undefined when the request was not for an application. */
export function deliverToClient(
  wire: Pick<WireServer, "deliver">,
  request: RpcRequest,
): { delivered: boolean } | undefined {
  if (request.method !== "POST" || !request.path.startsWith(PREFIX)) return undefined;
  const frame = (request.body as { frame?: unknown } | null)?.frame;
  if (typeof frame !== "string") throw new CrossbandError(ErrorCode.FrameMalformed, "delivery without frame");
  return { delivered: wire.deliver(request.path.slice(PREFIX.length), frame) };
}
