import { CrossbandError } from "#common/errors.ts";
import type { Logger } from "#common/log.ts";
import type { LegAnswer } from "#common/media-control.ts";
import type { Rpc, RpcRequest } from "#state/rpc/rpc.ts";
import type { MediaRequest, Refusal } from "#signaling/calls/call/effect.ts";

/** Time the media tier has to answer once, in ms. */
const DEADLINE_MS = 2_000;
/** Seconds a caller is asked to wait when media is out of room. */
const RETRY_AFTER_S = 5;

export type MediaOutcome =
  | { readonly outcome: "done"; readonly answer: LegAnswer; readonly by: string }
  | { readonly outcome: "refused"; readonly refusal: Refusal }
  /** No media process could be asked. */
  | { readonly outcome: "unreachable" };

export interface MediaClient {
  /** Never rejects. Requests of one leg are sent in order, each after the answer of the one before. */
  run(request: MediaRequest): Promise<MediaOutcome>;
  /** Has a media process remove a leg. Resolves when it will be, whatever becomes of this process (see `Rpc.tell`). */
  dismiss(leg: string, from: string): Promise<void>;
}

/** Names the media instance that has a group, or takes it now; undefined when there is none alive. `again`: it did not answer. */
export type PlaceGroup = (group: string, again?: boolean) => Promise<string | undefined>;

export function createMediaClient(
  rpc: Pick<Rpc, "call" | "tell">,
  place: PlaceGroup,
  log: Logger,
): MediaClient {
  const queues = new Map<string, Promise<MediaOutcome>>();

  const attempt = async (request: MediaRequest, again = false): Promise<MediaOutcome> => {
    const { group, wire } = wireOf(request);
    const instance = await place(group, again);
    if (instance === undefined) return { outcome: "unreachable" };
    try {
      const answer = (await rpc.call(instance, wire, DEADLINE_MS)) ?? {};
      return { outcome: "done", answer, by: instance };
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal) return { outcome: "refused", refusal };
      log.warn({ leg: request.leg, op: request.op, instance, error: String(error) }, "media did not answer");
      return { outcome: "unreachable" };
    }
  };

  /** Once more where the group is placed then: its media process may have died in between. */
  const insist = async (request: MediaRequest): Promise<MediaOutcome> => {
    const first = await attempt(request).catch(unreachable);
    return first.outcome === "unreachable" ? attempt(request, true).catch(unreachable) : first;
  };

  return {
    run(request) {
      const before = queues.get(request.leg);
      const turn = before ? before.then(() => insist(request)) : insist(request);
      queues.set(request.leg, turn);
      void turn.then(() => {
        if (queues.get(request.leg) === turn) queues.delete(request.leg);
      });
      return turn;
    },
    dismiss: (leg, from) => rpc.tell(from, { method: "DELETE", path: `/legs/${leg}`, body: null }),
  };
}

const unreachable = (): MediaOutcome => ({ outcome: "unreachable" });

function wireOf(request: MediaRequest): { group: string; wire: RpcRequest } {
  const path = `/legs/${request.leg}`;
  switch (request.op) {
    case "put":
      return { group: request.body.group.id, wire: { method: "PUT", path, body: request.body } };
    case "delete":
      return { group: request.group, wire: { method: "DELETE", path, body: {} } };
    case "digit":
      return {
        group: request.group,
        wire: { method: "POST", path: `${path}/digits`, body: { digit: request.digit } },
      };
  }
}

/** What a media error means to the peer; undefined when the media tier did not answer at all. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof CrossbandError) || error.code !== "RPC_REFUSED") return undefined;
  const warning = typeof error.context["warning"] === "string" ? { warning: error.context["warning"] } : {};
  switch (error.context["code"]) {
    case "SDP_INVALID":
      return { status: 400, ...warning };
    case "SDP_NOT_ACCEPTABLE":
      return { status: 488, ...warning };
    case "PORTS_EXHAUSTED":
    case "WORKER_UNAVAILABLE":
      return { status: 503, retryAfterS: RETRY_AFTER_S };
    default:
      return { status: 500 };
  }
}

/** What a peer is told when no media process answers. */
export const NO_MEDIA: Refusal = { status: 503, retryAfterS: RETRY_AFTER_S };
