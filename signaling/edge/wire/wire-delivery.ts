import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { InstanceCard } from "#state/instance/instance.ts";
import type { Rpc, RpcRequest } from "#state/rpc/rpc.ts";
import type { WireContext } from "./context.ts";
import type { WireServer } from "./wire-server.ts";

const TO_CONNECTION = "/wire/";
const TO_ANY = "/wire-any";
const DELIVERY_MS = 1_000;
/** How old the list of other processes may be, in ms. */
const LIST_MS = 1_000;

/** How frames reach applications attached to other instances. */
export function wireDelivery(
  rpc: Rpc,
  instance: string,
  listInstances: () => Promise<readonly Pick<InstanceCard, "role" | "instance">[]>,
): Pick<WireContext, "others" | "forward" | "forwardToAny"> {
  let others: readonly string[] = [];
  let readAtMs = 0;
  const read = async (): Promise<void> => {
    const cards = await listInstances();
    others = cards
      .filter((card) => (card.role === "edge" || card.role === "signaling") && card.instance !== instance)
      .map((card) => card.instance);
  };
  const post = async (to: string, request: RpcRequest): Promise<boolean> => {
    const answer = (await rpc.call(to, request, DELIVERY_MS)) as { delivered?: unknown } | null;
    return answer?.delivered === true;
  };
  const refresh = (): void => {
    if (Date.now() - readAtMs < LIST_MS) return;
    readAtMs = Date.now();
    read().catch(() => undefined);
  };
  refresh();
  return {
    others() {
      refresh();
      return others;
    },
    forward: (to, connection, frame, call) =>
      post(to, { method: "POST", path: `${TO_CONNECTION}${connection}`, body: { frame, call } }),
    forwardToAny: (to, verb, tags, frame, call) =>
      post(to, { method: "POST", path: TO_ANY, body: { verb, tags, frame, call } }),
  };
}

/** The other end: undefined when the request was not for an application. */
export function deliverToClient(
  wire: Pick<WireServer, "deliver" | "deliverToAny">,
  request: RpcRequest,
): { delivered: boolean } | undefined {
  const any = request.path === TO_ANY;
  if (request.method !== "POST" || (!any && !request.path.startsWith(TO_CONNECTION))) return undefined;
  const body = (request.body ?? {}) as { frame?: unknown; call?: unknown; verb?: unknown; tags?: unknown };
  const { frame, verb, tags } = body;
  const call = typeof body.call === "string" ? body.call : "";
  if (typeof frame !== "string") throw new CrossbandError(ErrorCode.FrameMalformed, "delivery without frame");
  if (!any) return { delivered: wire.deliver(request.path.slice(TO_CONNECTION.length), frame, call) };
  const wanted = Array.isArray(tags) ? tags.filter((tag): tag is string => typeof tag === "string") : [];
  return { delivered: wire.deliverToAny(typeof verb === "string" ? verb : "invite", wanted, frame, call) };
}
