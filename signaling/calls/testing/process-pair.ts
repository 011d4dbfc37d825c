import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { silent } from "#common/log.ts";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import type { RequestEnvelope } from "#state/rpc/envelope.ts";
import { inboxOf } from "#state/rpc/rpc.keys.ts";
import { createPhone, type Phone } from "#test/peers/sip-phone/phone.ts";
import { freeSipPort } from "#test/setup/free-ports.ts";
import { startRedis } from "#test/setup/start-redis.ts";
import { startScriptedMedia, type ScriptedMedia } from "./scripted-media.ts";
import { TEST_PROVISION } from "./start-calls.ts";
import { startSignalingProcess, type SignalingProcess } from "./start-processes.ts";

const MEDIA_LIMIT_MS = 10_000;

/** Two signaling processes on one SIP port, one of which a test kills; fresh ones for each test, over one Redis for all. */
export interface ProcessPair {
  readonly redis: RedisConnection;
  readonly media: ScriptedMedia;
  readonly processes: readonly SignalingProcess[];
  registered(user: "alice" | "bob" | "carol"): Promise<Phone>;
  /** Kills the process that last worked on the one record that matches. */
  killWorkerOf(pattern: RegExp): Promise<void>;
  /** Kills the process of this instance. */
  kill(instance: string): Promise<void>;
  /** Resolves as soon as a process asks the media tier for something from now on. */
  nextMediaRequest(): Promise<{ readonly from: string; readonly leg: string }>;
}

/** Starts a pair for each test of a file. Of one test nothing is left to the next. */
export function useProcessPair(): ProcessPair {
  const pair = {} as { redis: RedisConnection; media: ScriptedMedia; processes: SignalingProcess[] };
  const phones: Phone[] = [];
  let [redisUrl, sipPort] = ["", 0];
  let stopRedis = (): Promise<void> => Promise.resolve();

  beforeAll(async () => {
    const server = await startRedis();
    stopRedis = () => server.stop();
    redisUrl = server.url;
    pair.redis = connect(redisUrl, { log: silent });
    await applyProvision(pair.redis, parseProvision(TEST_PROVISION));
    pair.media = await startScriptedMedia(server.url);
    sipPort = await freeSipPort();
  });
  beforeEach(async () => {
    pair.processes = await Promise.all(
      ["one", "two"].map((name) => startSignalingProcess(name, redisUrl, sipPort)),
    );
  });
  afterEach(async () => {
    for (const phone of phones.splice(0)) phone.close();
    // First those who would write again what Redis had.
    await Promise.all(pair.processes.map((process) => process.kill()));
    for (const pattern of ["*:call:*", "*:cdr", "*:bindings:*", "*:due"])
      for (const key of await pair.redis.keys(pattern)) await pair.redis.del(key);
    pair.media.forget();
  });
  afterAll(async () => {
    await pair.media.close();
    pair.redis.disconnect();
    await stopRedis();
  });

  const kill = async (instance: string): Promise<void> => {
    const victim = pair.processes.find(({ name }) => instance.startsWith(`${name}-`));
    if (!victim) throw new Error("nobody works on it");
    await victim.kill();
  };

  return Object.assign(pair, {
    async registered(user: "alice" | "bob" | "carol") {
      const server = `127.0.0.1:${sipPort}`;
      const phone = await createPhone({ server, domain: "crossband.test", user, password: `${user}-secret` });
      phones.push(phone);
      await phone.register();
      return phone;
    },
    async killWorkerOf(pattern: RegExp) {
      for (const key of await pair.redis.keys("*:call:*")) {
        const text = (await pair.redis.get(key)) ?? "";
        if (!pattern.test(text)) continue;
        await kill(/"worker":"([^"]+)"/.exec(text)?.[1] ?? "");
        return;
      }
      throw new Error("no such record");
    },
    kill,
    async nextMediaRequest() {
      const reader = connect(redisUrl, { log: silent, blocking: true });
      const inbox = inboxOf(pair.media.instance);
      const reply = await reader.xread("BLOCK", MEDIA_LIMIT_MS, "STREAMS", inbox, "$");
      reader.disconnect();
      const { request, reply: to } = JSON.parse(reply?.[0]?.[1][0]?.[1][1] ?? "{}") as RequestEnvelope;
      return { from: to?.to ?? "", leg: request.path.replace("/legs/", "") };
    },
  });
}
