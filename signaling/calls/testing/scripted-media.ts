import { CrossbandError, type ErrorCode } from "#common/errors.ts";
import { silent } from "#common/log.ts";
import { legRequestSchema, type LegAnswer, type LegRequest } from "#common/media-control.ts";
import {
  announceInstance,
  INSTANCE_RENEW_MS,
  withdrawInstance,
  type InstanceCard,
} from "#state/instance/instance.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import { startRpc, type RpcRequest } from "#state/rpc/rpc.ts";
import { legEndedChannel } from "#state/talk-group/talk-group.keys.ts";

/** A media process that only keeps books: what it was asked, in order, and what it is told to refuse. */
export interface ScriptedMedia {
  readonly instance: string;
  /** `PUT <leg> <description type>`, `DELETE <leg>`, `POST <leg> <digit>`. */
  readonly log: readonly string[];
  readonly legs: ReadonlyMap<string, LegRequest>;
  /** Refuses every PUT of this kind of description from now on; undefined takes them again. */
  refuse(type: LegRequest["description"]["type"], code: ErrorCode | undefined, warning?: string): void;
  /** Forgets what it was asked so far, and every leg. */
  forget(): void;
  /** Answers nothing until the returned function is called. */
  hold(): () => void;
  /** Says that a leg fell silent. */
  endLeg(leg: string): Promise<void>;
  close(): Promise<void>;
}

/** The description that it gives in answer to an offer, or as an offer of its own. */
export const mediaSdp = (leg: string, direction = "sendrecv"): string =>
  ["v=0", `o=- 1 1 IN IP4 127.0.0.1`, `s=${leg}`, "c=IN IP4 127.0.0.1", "t=0 0", "m=audio 9 RTP/AVP 0 101",
    "a=rtpmap:0 PCMU/8000", "a=rtpmap:101 telephone-event/8000", `a=${direction}`, ""].join("\r\n"); // prettier-ignore

export async function startScriptedMedia(
  redisUrl: string,
  instance = "media-scripted",
): Promise<ScriptedMedia> {
  const redis: RedisConnection = connect(redisUrl, { log: silent });
  const log: string[] = [];
  const legs = new Map<string, LegRequest>();
  const refusals = new Map<string, { code: ErrorCode; warning?: string }>();
  let gate = Promise.resolve();

  const put = (leg: string, body: unknown): LegAnswer => {
    const request = legRequestSchema.parse(body);
    const { type } = request.description;
    log.push(`PUT ${leg} ${type}`);
    const refusal = refusals.get(type);
    if (refusal)
      throw new CrossbandError(
        refusal.code,
        "scripted",
        refusal.warning === undefined ? {} : { warning: refusal.warning },
      );
    legs.set(leg, request);
    if (type === "answer") return {};
    const held = type === "offer" && request.description.sdp.includes("a=sendonly");
    return {
      description: {
        type: type === "none" ? "offer" : "answer",
        sdp: mediaSdp(leg, held ? "recvonly" : "sendrecv"),
      },
    };
  };
  const answer = async ({ method, path, body }: RpcRequest): Promise<unknown> => {
    await gate;
    const leg = path.split("/")[2] ?? "";
    if (method === "PUT") return put(leg, body);
    if (method === "DELETE") {
      log.push(`DELETE ${leg}`);
      legs.delete(leg);
    } else log.push(`${method} ${leg} ${(body as { digit?: string }).digit ?? ""}`);
    return {};
  };
  const rpc = startRpc(redis, connect(redisUrl, { log: silent, blocking: true }), instance, answer, silent);
  const card: InstanceCard = {
    role: "media",
    instance,
    pid: process.pid,
    listeners: {},
    load: 0,
    draining: false,
  };
  await announceInstance(redis, card);
  const renewal = setInterval(
    () => void announceInstance(redis, card).catch(() => undefined),
    INSTANCE_RENEW_MS,
  );
  return {
    instance,
    log,
    legs,
    refuse(type, code, warning) {
      if (code === undefined) refusals.delete(type);
      else refusals.set(type, { code, ...(warning !== undefined && { warning }) });
    },
    forget() {
      log.length = 0;
      legs.clear();
    },
    hold() {
      let open: () => void = () => undefined;
      gate = new Promise((resolve) => {
        open = resolve;
      });
      return () => {
        open();
      };
    },
    async endLeg(leg) {
      await redis.publish(
        legEndedChannel,
        JSON.stringify({ type: "leg-ended", group: "any", leg, reason: "silent" }),
      );
    },
    async close() {
      clearInterval(renewal);
      await withdrawInstance(redis, card).catch(() => 0);
      await rpc.close();
      redis.disconnect();
    },
  };
}
