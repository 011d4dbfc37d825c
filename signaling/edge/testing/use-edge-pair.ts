import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { legIdOf, newCallId } from "#signaling/edge/engine/ids.ts";
import type { SipCommand, SipHandler } from "#signaling/sip-port/sip-port.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";
import { startTestEdge, type TestEdge } from "./test-edge.ts";
import { openUdpPhone, type UdpPhone } from "./udp-phone.ts";

/** Two edges behind one Redis, for the tests of one file, and for each of them a phone and a call of ours. */
export interface EdgePair {
  readonly redis: RedisServer;
  readonly one: TestEdge;
  readonly two: TestEdge;
  readonly phone: UdpPhone;
  /** Our leg of the test's call. */
  leg: string;
  /** One step of the call, at one of the edges. */
  readonly command: (edge: TestEdge, ...commands: SipCommand[]) => Promise<void>;
}

/** @param handlerOf what handles the events of an instance */
export function useEdgePair(handlerOf: (instance: string) => SipHandler): EdgePair {
  const pair: EdgePair = {
    redis: {} as RedisServer,
    one: {} as TestEdge,
    two: {} as TestEdge,
    phone: {} as UdpPhone,
    leg: "",
    command: (edge, ...commands) =>
      edge.edge.port.begin(pair.leg.slice(0, pair.leg.lastIndexOf(".")), (step) => {
        for (const each of commands) step.command(each);
        return Promise.resolve();
      }),
  };
  const start = (instance: string): Promise<TestEdge> =>
    startTestEdge({ redisUrl: pair.redis.url, instance, handler: handlerOf(instance) });

  beforeAll(async () => {
    Object.assign(pair.redis, await startRedis());
    const [one, two] = await Promise.all([start("one"), start("two")]);
    Object.assign(pair.one, one);
    Object.assign(pair.two, two);
  });
  beforeEach(async () => {
    pair.leg = legIdOf(newCallId(), 1);
    Object.assign(pair.phone, await openUdpPhone());
  });
  afterEach(() => {
    pair.phone.close();
  });
  afterAll(async () => {
    await Promise.all([pair.one.close(), pair.two.close()]);
    await pair.redis.stop();
  });
  return pair;
}
