import type { TestProject } from "vitest/node";
import { startRedis } from "./start-redis.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** URL of the redis-server that the `redis` project's tests share. */
    redisUrl: string;
  }
}

/**
 * vitest global setup of the `redis` project: one empty redis-server for the run. Tests find it as
 * `process.env.REDIS_URL` (workers inherit it) or `inject("redisUrl")`, and make names of their own in it.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const before = process.env["REDIS_URL"];
  const server = await startRedis();
  process.env["REDIS_URL"] = server.url;
  project.provide("redisUrl", server.url);
  return async () => {
    if (before === undefined) delete process.env["REDIS_URL"];
    else process.env["REDIS_URL"] = before;
    await server.stop();
  };
}
