import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Tier } from "./tier.ts";

/** Calls whose commands are listed one by one; few, because being watched slows Redis. */
const CALLS = 50;
const IDLE_MS = 2_000;

interface Count {
  readonly commands: number;
  readonly ms: number;
}

/**
 * Redis commands that the signaling processes sent for one call, less what they send when idle; each is one round trip.
 *
 * @param run makes the number of calls that it is given
 */
export async function commandsPerCall(tier: Tier, run: (calls: number) => Promise<unknown>): Promise<number> {
  const idle = await count(tier, () => new Promise((done) => setTimeout(done, IDLE_MS)));
  const busy = await count(tier, () => run(CALLS));
  return (busy.commands - (idle.commands / idle.ms) * busy.ms) / CALLS;
}

async function count(tier: Tier, work: () => Promise<unknown>): Promise<Count> {
  const addresses = await addressesOf(tier);
  // A client of its own: one that is fed by MONITOR while it also asks mistakes the one for the other.
  const watcher = spawn("redis-cli", ["-u", tier.redisUrl, "monitor"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let commands = 0;
  createInterface(watcher.stdout).on("line", (line) => {
    const source = /^[\d.]+ \[\d+ (\S+)\]/.exec(line)?.[1];
    if (source !== undefined && addresses.has(source)) commands++;
  });
  await once(watcher.stdout, "data");
  const startedAt = performance.now();
  await work();
  const ms = performance.now() - startedAt;
  const gone = once(watcher, "exit");
  watcher.kill();
  await gone;
  return { commands, ms };
}

/** Connections of the SIP tier: all but the media tier's; the bench's own is idle meanwhile. */
async function addressesOf(tier: Tier): Promise<ReadonlySet<string>> {
  const list = String(await tier.redis.call("CLIENT", "LIST"));
  const ours = list.split("\n").filter((line) => !line.includes(" name=media"));
  return new Set(ours.flatMap((line) => / addr=(\S+)/.exec(line)?.[1] ?? []));
}
