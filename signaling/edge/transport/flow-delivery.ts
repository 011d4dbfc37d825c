import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Rpc, RpcRequest } from "#state/rpc/rpc.ts";
import type { Transports } from "./transport.ts";

const PREFIX = "/flows/";
/** A message that cannot be handed over in this time is as good as lost to a SIP timer. */
const DELIVERY_MS = 1_000;
/** Messages on their way to other instances at once; a process that far behind hands over no more. */
const MAX_PENDING = 2_000;

export interface FlowDeliveryOptions {
  readonly rpc: Pick<Rpc, "call">;
  /** Names of the processes that live. `fresh`: as of now, for one that is not in the list of a moment ago. */
  readonly living: (fresh: boolean) => Promise<ReadonlySet<string>>;
  /** Told how each delivery went and how long it took. */
  readonly measure: (outcome: "delivered" | "refused" | "owner-gone" | "too-many", seconds: number) => void;
}

type Deliver = (instance: string, connection: string, bytes: string) => Promise<void>;

/**
 * Hands bytes to the instance that owns a socket, in the order in which they were given. An owner that is dead is known at
 * once from the list of instances, and one that dies now within DELIVERY_MS.
 */
export function flowDelivery({ rpc, living, measure }: FlowDeliveryOptions): Deliver {
  let pending = 0;
  /** Owners that are being looked for in a fresh list: what is for them waits in line. */
  const doubted = new Map<string, Promise<boolean>>();

  const isAlive = async (instance: string): Promise<boolean> => {
    const asked = doubted.get(instance);
    if (asked) return asked;
    if ((await living(false)).has(instance)) return true;
    const again = doubted.get(instance);
    if (again) return again;
    // It may have started since, or be a name that nobody bears any more.
    const answer = living(true)
      .then((names) => names.has(instance))
      .finally(() => doubted.delete(instance));
    doubted.set(instance, answer);
    return answer;
  };

  const deliver: Deliver = async (instance, connection, bytes) => {
    if (!(await isAlive(instance).catch(() => true)))
      throw new CrossbandError(ErrorCode.FlowGone, "owner of the flow is gone", { instance, owner: "gone" });
    const request: RpcRequest = { method: "POST", path: `${PREFIX}${connection}`, body: { bytes } };
    try {
      await rpc.call(instance, request, DELIVERY_MS);
    } catch (cause) {
      const silent = cause instanceof CrossbandError && cause.code === ErrorCode.RpcTimeout;
      throw new CrossbandError(
        ErrorCode.FlowGone,
        "owner of the flow did not deliver",
        { instance, connection, ...(silent && { owner: "gone" }) },
        { cause },
      );
    }
  };

  return async (instance, connection, bytes) => {
    if (pending >= MAX_PENDING) {
      measure("too-many", 0);
      throw new CrossbandError(ErrorCode.FlowGone, "too many messages wait for other instances", {
        instance,
      });
    }
    const startedAt = performance.now();
    const done = (outcome: Parameters<typeof measure>[0]): void => {
      measure(outcome, (performance.now() - startedAt) / 1_000);
    };
    pending++;
    try {
      await deliver(instance, connection, bytes);
      done("delivered");
    } catch (error) {
      done(error instanceof CrossbandError && error.context["owner"] === "gone" ? "owner-gone" : "refused");
      throw error;
    } finally {
      pending--;
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
