import type { Benchmark } from "../../../cli/bench.ts";
import { digestHashes, putResource } from "#state/directory/directory.ts";
import { processorMs, residentMb } from "../processor-time.ts";
import { RegisteringCrowd } from "./registering-crowd.ts";
import { DOMAIN, startTier, type Tier } from "./tier.ts";

/** What the share of a core is told for. */
const EXPIRY_S = 3_600;
const REFRESHES = 5_000;
const PROVISION_AT_ONCE = 500;

/** `npm run bench -- registrations [count=100000]` */
export const registrationsBenchmark: Benchmark = {
  about: "memory of registrations in Redis and in the process, and the cost of refreshing them: count=100000",
  async run(options) {
    const count = Number(options.get("count") ?? 100_000);
    const tier = await startTier(1);
    const { port, pid } = tier.signaling[0] ?? { port: 0, pid: 0 };
    const crowd = await RegisteringCrowd.open({ port, domain: DOMAIN, member });
    try {
      await provision(tier, count);
      await crowd.register(0, Math.min(count, 1_000));
      const before = { redis: await redisBytes(tier), rss: residentMb(pid), cpu: processorMs(pid) };
      const startedAt = performance.now();
      const registered = await crowd.register(1_000, count);
      const seconds = (performance.now() - startedAt) / 1_000;
      const after = { redis: await redisBytes(tier), rss: residentMb(pid), cpu: processorMs(pid) };
      const measured = Math.max(1, count - 1_000);
      print(
        `Registrations: ${registered + Math.min(count, 1_000)} of ${count}, at ${(registered / seconds).toFixed(0)}/s, ${crowd.repeated} REGISTERs sent again`,
      );
      print(`  memory in Redis           ${((after.redis - before.redis) / measured).toFixed(0)} bytes each`);
      print(
        `  memory in the process     ${(((after.rss - before.rss) * 1e6) / measured).toFixed(0)} bytes each (${before.rss.toFixed(0)} to ${after.rss.toFixed(0)} MB)`,
      );
      print(
        `  processor time to register ${((after.cpu - before.cpu) / measured).toFixed(3)} ms each (challenge and answer)`,
      );
      const [cpu, redisCpu] = [processorMs(pid), processorMs(tier.redisPid)];
      const refreshes = Math.min(REFRESHES, count);
      const refreshed = await crowd.register(0, refreshes);
      const [cost, redisCost] = [
        (processorMs(pid) - cpu) / refreshes,
        (processorMs(tier.redisPid) - redisCpu) / refreshes,
      ];
      const share = (cost * count) / EXPIRY_S / 10;
      print(
        `  refreshed                 ${refreshed} of ${refreshes}: ${cost.toFixed(3)} ms each, Redis ${redisCost.toFixed(3)} ms`,
      );
      print(
        `  ${count} refreshed every ${EXPIRY_S} s (${(count / EXPIRY_S).toFixed(1)}/s) take ${share.toFixed(2)} % of a core`,
      );
      return registered === count - 1_000 && refreshed === refreshes ? 0 : 1;
    } finally {
      crowd.close();
      await tier.stop();
    }
  },
};

const member = (number: number) => ({ user: `user-${number}`, password: `password-${number}` });

async function provision(tier: Tier, count: number): Promise<void> {
  for (let first = 0; first < count; first += PROVISION_AT_ONCE)
    await Promise.all(
      Array.from({ length: Math.min(PROVISION_AT_ONCE, count - first) }, (_, i) => {
        const { user, password } = member(first + i);
        const ha1 = digestHashes(user, DOMAIN, password);
        return putResource(tier.redis, "user", { id: user, agency: "bench", name: user, priority: 5, ha1 });
      }),
    );
}

async function redisBytes(tier: Tier): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await tier.redis.info("memory"))?.[1]);
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);
