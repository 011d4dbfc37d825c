import { Gauge, type Registry } from "prom-client";
import { everyBeat } from "#common/beat.ts";
import type { Logger } from "#common/log.ts";
import { scanCalls } from "#state/call/scan-calls.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { callCardOf } from "./call-card.ts";

/** How often calls are counted, in ms: one process of the cluster reads every record, a few at a time. */
const COUNT_MS = 60_000;

export interface CensusOptions {
  readonly redis: RedisConnection;
  readonly registry: Registry;
  readonly log: Logger;
  /** True for one process of the cluster. */
  readonly isFirst: () => Promise<boolean>;
}

/** Counts the calls of the whole cluster by kind and state; only one process reports them. Returns a function that ends it. */
export function startCensus({ redis, registry, log, isFirst }: CensusOptions): () => void {
  const gauge = new Gauge({
    name: "crossband_sip_calls",
    help: "Calls of the whole cluster by kind and state, counted once a minute by one of its processes",
    labelNames: ["kind", "state"],
    registers: [registry],
  });
  let counting = false;
  const count = async (): Promise<void> => {
    if (counting) return;
    counting = true;
    try {
      const first = await isFirst();
      const counts = new Map<string, number>();
      if (first)
        for await (const { call, stored } of scanCalls(redis)) {
          const { kind, state } = callCardOf(call, stored);
          const key = `${kind} ${state}`;
          counts.set(key, (counts.get(key) ?? 0) + 1);
        }
      gauge.reset();
      for (const [key, value] of counts) {
        const [kind = "", state = ""] = key.split(" ");
        gauge.set({ kind, state }, value);
      }
    } catch (error) {
      log.debug({ error: String(error) }, "calls not counted");
    } finally {
      counting = false;
    }
  };
  void count();
  return everyBeat(COUNT_MS, () => void count());
}
