import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";
import { openApps, startWireEdge, type WireEdge } from "./drachtio-app.ts";
import { answerOf, openUdpPhone, type UdpPhone } from "./udp-phone.ts";

type Settings = Parameters<typeof startWireEdge>[2];

/** An edge for applications with a Redis of its own, for the tests of one file, and for each of them a phone. */
export interface FileWireEdge {
  readonly redis: RedisServer;
  readonly edge: WireEdge;
  readonly phone: UdpPhone;
  /** Those attached here are detached after the test. */
  readonly apps: ReturnType<typeof openApps>;
  /** A request of the phone within a dialog. */
  readonly within: (method: string, toTag: string, seq: number, body?: string) => string;
  /** The phone's response to a request that it got. */
  readonly answer: (got: SipMessage, status?: number, more?: Parameters<typeof answerOf>[3]) => string;
}

/** @param settings made when the file's tests begin */
export function useWireEdge(settings: () => Settings = () => ({})): FileWireEdge {
  const redis = {} as RedisServer;
  const edge = {} as WireEdge;
  const phone = {} as UdpPhone;
  const apps = openApps();

  beforeAll(async () => {
    Object.assign(redis, await startRedis());
    Object.assign(edge, await startWireEdge(redis.url, "one", settings()));
  });
  beforeEach(async () => {
    Object.assign(phone, await openUdpPhone());
  });
  afterEach(async () => {
    phone.close();
    apps.detachAll();
    await expect.poll(() => edge.wire.clients).toBe(0);
  });
  afterAll(async () => {
    await edge.close();
    await redis.stop();
  });

  return {
    redis,
    edge,
    phone,
    apps,
    within: (method, toTag, seq, body = "") =>
      phone.request({ method, seq, branch: `${phone.name}${method}${seq}`, toTag, body }),
    answer: (got, status = 200, more = {}) => answerOf(phone, got, status, more),
  };
}
