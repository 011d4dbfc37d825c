import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Rpc, RpcRequest } from "#state/rpc/rpc.ts";
import type { Transports } from "./transport.ts";

const PREFIX = "/flows/";
/** A message that cannot be handed over in this time is as good as lost to a SIP timer. */
const DELIVERY_MS = 1_000;

/** Hands bytes to the instance that owns a socket. */
export function flowDelivery(rpc: Rpc) {
  return async (instance: string, connection: string, bytes: string): Promise<void> => {
    try {
      await rpc.call(
        instance,
        { method: "POST", path: `${PREFIX}${connection}`, body: { bytes } },
        DELIVERY_MS,
      );
    } catch (cause) {
      throw new CrossbandError(
        ErrorCode.FlowGone,
        "owner of the flow did not deliver",
        { instance, connection },
        { cause },
      );
    }
  };
}

/** The other end: true when the request was for a flow, and has been written to its socket. */
export async function deliverToFlow(
  transports: Pick<Transports, "deliver">,
  request: RpcRequest,
): Promise<boolean> {
  if (request.method !== "POST" || !request.path.startsWith(PREFIX)) return false;
  const bytes = (request.body as { bytes?: unknown } | null)?.bytes;
  if (typeof bytes !== "string")
    throw new CrossbandError(ErrorCode.MessageMalformed, "delivery without bytes");
  await transports.deliver(request.path.slice(PREFIX.length), bytes);
  return true;
}
