import type { Benchmark } from "../../../cli/bench.ts";
import { quantile } from "../processor-time.ts";
import { BenchCaller, type CallResult } from "./caller.ts";
import { load } from "./load.ts";
import { CALLEE, CALLER, DOMAIN, startTier } from "./tier.ts";

const WARM_UP_CALLS = 1_500;
/** The peak is looked for from here up, in calls a second. */
const FIRST_RATE = 150;
const STEP = 1.25;
/** The peak is behind us when less than this share of the calls completes. */
const BEYOND = 0.75;
const WANTED_AT_TWICE = 0.9;
const MULTIPLES = [1, 2, 4] as const;

interface Outcome {
  readonly rate: number;
  /** Calls completed of those offered in a second. */
  readonly goodput: number;
  readonly completed: number;
  readonly refused: number;
  readonly lost: number;
  readonly answered: readonly number[];
}

/** `npm run bench -- overload [seconds=6]` */
export const overloadBenchmark: Benchmark = {
  about:
    "completed calls a second (user to user, one signaling process) at 1, 2 and 4 times the measured peak: seconds=6",
  async run(options) {
    const seconds = Number(options.get("seconds") ?? 6);
    const tier = await startTier(1);
    const phones: BenchCaller[] = [];
    try {
      const { port } = tier.signaling[0] ?? { port: 0 };
      for (const { id: user, password } of [CALLER, CALLEE]) {
        const phone = await BenchCaller.open({ host: "127.0.0.1", port, domain: DOMAIN, user, password });
        await phone.register();
        phones.push(phone);
      }
      const [caller] = phones;
      if (!caller) return 1;
      await load([caller], CALLEE.id, WARM_UP_CALLS, FIRST_RATE);
      const peak = await findPeak(caller, seconds);
      print(`Peak: ${peak.goodput.toFixed(0)} calls a second, of ${peak.rate.toFixed(0)} offered`);
      const outcomes: Outcome[] = [];
      for (const times of MULTIPLES) {
        const outcome = await offer(caller, peak.goodput * times, seconds);
        outcomes.push(outcome);
        print(
          `  ${times} x peak offered          ${outcome.goodput.toFixed(0)}/s completed = ${(outcome.goodput / peak.goodput).toFixed(2)} of the peak; refused ${outcome.refused}, lost ${outcome.lost}; INVITE to 200 p50 ${quantile(outcome.answered, 0.5).toFixed(1)} ms, p99 ${quantile(outcome.answered, 0.99).toFixed(1)} ms`,
        );
      }
      const twice = (outcomes[1]?.goodput ?? 0) / peak.goodput;
      print(
        `  at twice the peak         ${twice.toFixed(2)} of it is completed, ${WANTED_AT_TWICE.toFixed(2)} wanted`,
      );
      return twice >= WANTED_AT_TWICE ? 0 : 1;
    } finally {
      await Promise.all(phones.map((phone) => phone.close().catch(() => undefined)));
      await tier.stop();
    }
  },
};

/** The most calls that complete in a second at any rate, found by steps. */
async function findPeak(caller: BenchCaller, seconds: number): Promise<Outcome> {
  let best: Outcome | undefined;
  for (let rate = FIRST_RATE; ; rate *= STEP) {
    const outcome = await offer(caller, rate, seconds / 2);
    if (!best || outcome.goodput > best.goodput) best = outcome;
    if (outcome.completed < BEYOND * (outcome.completed + outcome.refused + outcome.lost)) return best;
  }
}

async function offer(caller: BenchCaller, rate: number, seconds: number): Promise<Outcome> {
  const results: CallResult[] = await load([caller], CALLEE.id, Math.round(rate * seconds), rate);
  const completed = results.filter(({ endedMs }) => endedMs !== undefined);
  const refused = results.filter((result) => result.refused === true).length;
  return {
    rate,
    goodput: completed.length / seconds,
    completed: completed.length,
    refused,
    lost: results.length - completed.length - refused,
    answered: completed.flatMap(({ answeredMs }) => answeredMs ?? []),
  };
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);
