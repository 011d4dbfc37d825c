import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { silent } from "#common/log.ts";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import { createPhone, type Phone } from "#test/peers/sip-phone/phone.ts";
import { freeSipPort } from "#test/setup/free-ports.ts";
import { startRedis } from "#test/setup/start-redis.ts";
import { startScriptedMedia, type ScriptedMedia } from "./scripted-media.ts";
import { TEST_PROVISION } from "./start-calls.ts";
import { startSignalingProcess, type SignalingProcess } from "./start-processes.ts";

/** Two signaling processes on one SIP port, one of which a test kills: another stands in its place before the next. */
export interface ProcessPair {
  readonly redis: RedisConnection;
  readonly media: ScriptedMedia;
  readonly processes: readonly SignalingProcess[];
  registered(user: "alice" | "bob" | "carol"): Promise<Phone>;
  /** Kills the process that last worked on the one record that matches. */
  killWorkerOf(pattern: RegExp): Promise<void>;
}

/** Starts a pair for the tests of a file. Of one test nothing is left to the next but the process that it did not kill. */
export function useProcessPair(): ProcessPair {
  const pair = {} as { redis: RedisConnection; media: ScriptedMedia; processes: SignalingProcess[] };
  const phones: Phone[] = [];
  let sipPort = 0;
  let redisUrl = "";
  let stopRedis = (): Promise<void> => Promise.resolve();

  beforeAll(async () => {
    const server = await startRedis();
    stopRedis = () => server.stop();
    pair.redis = connect(server.url, { log: silent });
    await applyProvision(pair.redis, parseProvision(TEST_PROVISION));
    pair.media = await startScriptedMedia(server.url);
    sipPort = await freeSipPort();
    pair.processes = [];
    redisUrl = server.url;
  });
  beforeEach(async () => {
    const missing = ["one", "two"].filter((name) => !pair.processes.some((each) => each.name === name));
    pair.processes.push(
      ...(await Promise.all(missing.map((name) => startSignalingProcess(name, redisUrl, sipPort)))),
    );
  });
  afterEach(async () => {
    for (const phone of phones.splice(0)) phone.close();
    // A step on a record that is gone finds nothing to do, so whoever has a call in hand leaves it.
    for (const pattern of ["*:call:*", "*:cdr", "*:bindings:*"])
      for (const key of await pair.redis.keys(pattern)) await pair.redis.del(key);
    pair.media.forget();
  });
  afterAll(async () => {
    for (const process of pair.processes) await process.kill();
    await pair.media.close();
    pair.redis.disconnect();
    await stopRedis();
  });

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
        const worker = /"worker":"(one|two)-/.exec(text)?.[1];
        const victim = pair.processes.find(({ name }) => name === worker);
        if (!victim) throw new Error("nobody works on it");
        await victim.kill();
        pair.processes.splice(pair.processes.indexOf(victim), 1);
        return;
      }
      throw new Error("no such record");
    },
  });
}
