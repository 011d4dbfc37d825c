import { performance } from "node:perf_hooks";
import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Benchmark } from "../../cli/bench.ts";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import { silent } from "#common/log.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import { startRedis } from "#test/setup/start-redis.ts";
import { freePort, freeUdpRange } from "#test/setup/free-ports.ts";
import { workerPath } from "../../scripts/mediasoup-worker/worker-path.mjs";
import { BenchCaller, type CallResult } from "./caller.ts";
import { processorMs, quantile } from "./processor-time.ts";

const PROGRAM = fileURLToPath(new URL("../../crossband.ts", import.meta.url));
const CALLER = { id: "bench", password: "bench-password" };
const CALLEE = { id: "callee", password: "callee-password" };
const GROUP = "bench-group";
const WARM_UP_CALLS = 1_000;
/** Calls whose Redis commands are listed one by one; few, because MONITOR slows Redis. */
const TRACED_CALLS = 50;

/** A kind of call, and the processor time that the design allows the SIP tier for it at 600 to 1,200 calls a second. */
interface Kind {
  readonly title: string;
  readonly target: string;
  readonly limitMs: number;
  /** Calls a second; the media tier opens two sockets for each call to a group, so that those come slower. */
  readonly rate: number;
}

const KINDS: readonly Kind[] = [
  { title: "user to user (B2BUA, 14 messages)", target: CALLEE.id, limitMs: 0.55, rate: 300 },
  { title: "to a talk group (6 messages and two media requests)", target: GROUP, limitMs: 0.4, rate: 50 },
];

/** `npm run bench -- sip [calls=1500] [rate=…] [runs=3]` */
export const sipBenchmark: Benchmark = {
  about:
    "processor time and Redis commands per answered-and-hung-up call, to users and to groups: calls=1500 runs=3 rate=300 (groups 50)",
  async run(options) {
    const setting = (name: string, fallback: number) => Number(options.get(name) ?? fallback);
    const [calls, runs] = [setting("calls", 1_500), setting("runs", 3)];
    const tier = await startTier();
    try {
      const open = (user: typeof CALLER) =>
        BenchCaller.open({
          host: "127.0.0.1",
          port: tier.sipPort,
          domain: "bench.local",
          user: user.id,
          password: user.password,
        });
      const [caller, callee] = [await open(CALLER), await open(CALLEE)];
      for (const each of [caller, callee]) await each.register();
      let lost = 0;
      for (const kind of KINDS) {
        const rate = setting("rate", kind.rate);
        await load(caller, kind.target, WARM_UP_CALLS, rate);
        const rows = [];
        for (let run = 0; run < runs; run++) rows.push(await measure(tier, caller, kind.target, calls, rate));
        lost += report(kind, rows, await commandsPerCall(tier, caller, kind.target), { calls, rate, runs });
      }
      for (const each of [caller, callee]) each.close();
      return lost === 0 ? 0 : 1;
    } finally {
      await tier.stop();
    }
  },
};

interface Tier {
  readonly sipPort: number;
  readonly redis: RedisConnection;
  readonly pids: { readonly signaling: number; readonly media: number; readonly redis: number };
  stop(): Promise<void>;
}

interface Row {
  readonly completed: number;
  readonly signalingMs: number;
  readonly mediaMs: number;
  readonly redisMs: number;
  readonly answered: readonly number[];
  readonly ended: readonly number[];
}

async function startTier(): Promise<Tier> {
  const server = await startRedis();
  const redis = connect(server.url, { log: silent });
  await applyProvision(
    redis,
    parseProvision(`domain: bench.local
agencies: [{ id: bench, name: Bench }]
users:
  - { id: ${CALLER.id}, agency: bench, name: Bench, password: ${CALLER.password} }
  - { id: ${CALLEE.id}, agency: bench, name: Callee, password: ${CALLEE.password} }
talkGroups: [{ id: ${GROUP}, agency: bench, name: Bench, mode: full-duplex }]`),
  );
  const [sipPort, drachtioPort, rtp] = [
    await freePort(),
    await freePort(),
    await freeUdpRange(20_000, 20_000),
  ];
  const env = {
    ...process.env,
    REDIS_URL: server.url,
    CROSSBAND_SIP_PORT: String(sipPort),
    CROSSBAND_DRACHTIO_PORT: String(drachtioPort),
    CROSSBAND_RTP_PORTS: `${rtp}-${rtp + 19_999}`,
    CROSSBAND_LOG: "warn",
    MEDIASOUP_WORKER_BIN: workerPath(),
  };
  const children = [await startRole("media", env), await startRole("signaling", env)];
  const [media, signaling] = children.map(({ pid }) => pid ?? 0) as [number, number];
  return {
    sipPort,
    redis,
    pids: { signaling, media, redis: server.pid },
    async stop() {
      redis.disconnect();
      await Promise.all(
        children.map((child) => {
          const gone = new Promise((done) => child.once("exit", done));
          child.kill("SIGTERM");
          return gone;
        }),
      );
      await server.stop();
    },
  };
}

function startRole(role: string, env: NodeJS.ProcessEnv): Promise<ChildProcess> {
  const child = spawn(process.execPath, [PROGRAM, role], {
    env,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  return new Promise((done, fail) => {
    child.once("message", () => {
      done(child);
    });
    child.once("exit", (code) => {
      fail(new Error(`${role} ended with ${String(code)}`));
    });
  });
}

/** Starts calls at a fixed rate, whatever becomes of the earlier ones, and waits for the last. */
async function load(caller: BenchCaller, target: string, calls: number, rate: number): Promise<CallResult[]> {
  const sdp =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";
  const results: Promise<CallResult>[] = [];
  const startedAt = performance.now();
  while (results.length < calls) {
    const due = Math.min(calls, Math.ceil(((performance.now() - startedAt) / 1_000) * rate));
    while (results.length < due) results.push(caller.call(target, sdp));
    await new Promise((done) => setTimeout(done, 2));
  }
  return Promise.all(results);
}

async function measure(
  tier: Tier,
  caller: BenchCaller,
  target: string,
  calls: number,
  rate: number,
): Promise<Row> {
  const used = () => ({
    signaling: processorMs(tier.pids.signaling),
    media: processorMs(tier.pids.media),
    redis: processorMs(tier.pids.redis),
  });
  const before = used();
  const results = await load(caller, target, calls, rate);
  const after = used();
  return {
    completed: results.filter(({ endedMs }) => endedMs !== undefined).length,
    signalingMs: (after.signaling - before.signaling) / calls,
    mediaMs: (after.media - before.media) / calls,
    redisMs: (after.redis - before.redis) / calls,
    answered: results.flatMap(({ answeredMs }) => answeredMs ?? []),
    ended: results.flatMap(({ endedMs }) => endedMs ?? []),
  };
}

/** Commands that the signaling process sent to Redis for one call, less what it sends when idle. */
async function commandsPerCall(tier: Tier, caller: BenchCaller, target: string): Promise<number> {
  const idle = await commandsOfSignaling(tier, () => new Promise((done) => setTimeout(done, 2_000)));
  const busy = await commandsOfSignaling(tier, () => load(caller, target, TRACED_CALLS, TRACED_CALLS));
  return (busy.commands - (idle.commands / idle.ms) * busy.ms) / TRACED_CALLS;
}

async function commandsOfSignaling(
  tier: Tier,
  work: () => Promise<unknown>,
): Promise<{ commands: number; ms: number }> {
  const list = String(await tier.redis.call("CLIENT", "LIST"));
  const addresses = new Set(
    list
      .split("\n")
      .filter((line) => line.includes(" name=signaling-"))
      .map((line) => / addr=(\S+)/.exec(line)?.[1]),
  );
  if (!("monitor" in tier.redis)) throw new Error("needs one Redis");
  const monitor = await tier.redis.duplicate().monitor();
  let commands = 0;
  monitor.on("monitor", (_time: string, _args: string[], source: string) => {
    if (addresses.has(source)) commands++;
  });
  const startedAt = performance.now();
  await work();
  const ms = performance.now() - startedAt;
  monitor.disconnect();
  return { commands, ms };
}

/** Prints the medians of the runs; the number of calls that were lost. */
function report(
  { title, limitMs }: Kind,
  rows: readonly Row[],
  commands: number,
  { calls, rate, runs }: { calls: number; rate: number; runs: number },
): number {
  const median = (pick: (row: Row) => number) => quantile(rows.map(pick), 0.5);
  const ms = (value: number, digits = 3) => `${value.toFixed(digits)} ms`;
  const signaling = median(({ signalingMs }) => signalingMs);
  const [answered, ended] = [rows.flatMap((row) => row.answered), rows.flatMap((row) => row.ended)];
  const lost = rows.reduce((sum, { completed }) => sum + calls - completed, 0);
  const lines = [
    `Calls ${title}: ${runs} runs of ${calls} at ${rate}/s, one signaling process, medians`,
    `  processor time per call   signaling ${ms(signaling)} = ${(signaling / limitMs).toFixed(2)} of the limit of ${ms(limitMs, 2)}, Redis ${ms(median(({ redisMs }) => redisMs))}, media ${ms(median(({ mediaMs }) => mediaMs))}`,
    `  Redis commands per call   ${commands.toFixed(1)} of the signaling process, those that wait for media included`,
    `  INVITE to 200             p50 ${ms(quantile(answered, 0.5), 2)}, p99 ${ms(quantile(answered, 0.99), 2)}`,
    `  BYE to 200                p50 ${ms(quantile(ended, 0.5), 2)}, p99 ${ms(quantile(ended, 0.99), 2)}`,
    `  lost                      ${lost} of ${runs * calls}`,
  ];
  for (const line of lines) process.stdout.write(`${line}\n`);
  return lost;
}
