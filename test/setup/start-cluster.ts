import { silent } from "#common/log.ts";
import { connect } from "#state/redis/connection.ts";
import { startRedis } from "./start-redis.ts";

/** A cluster of one node, which asks for the slot of each key as any other. */
export interface ClusterServer {
  /** What a process is given as its REDIS_URL. */
  readonly url: string;
  stop(): Promise<void>;
}

const READY_LIMIT_MS = 10_000;
const POLL_MS = 50;

/** Starts one on a free loopback port; resolves when it serves every slot. */
export async function startCluster(): Promise<ClusterServer> {
  const server = await startRedis({
    "cluster-enabled": "yes",
    "cluster-config-file": "nodes.conf",
    "cluster-announce-ip": "127.0.0.1",
  });
  const direct = connect(server.url, { log: silent });
  try {
    await direct.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
    const deadline = Date.now() + READY_LIMIT_MS;
    while (!String(await direct.call("CLUSTER", "INFO")).startsWith("cluster_state:ok")) {
      if (Date.now() > deadline) throw new Error("the cluster did not come up");
      await new Promise((again) => setTimeout(again, POLL_MS));
    }
  } catch (error) {
    await server.stop();
    throw error;
  } finally {
    direct.disconnect();
  }
  return { url: server.url.replace("redis://", "redis+cluster://"), stop: () => server.stop() };
}
