import { freePort } from "#test/setup/free-ports.ts";
import { runSipp, type SippOutcome } from "#test/peers/sipp/run-sipp.ts";
import { startRedis } from "#test/setup/start-redis.ts";
import { findLeftovers, readDetails } from "./audit.ts";
import { Cluster } from "./cluster.ts";
import { delay } from "./delay.ts";
import type { OutageReport } from "./outages.ts";
import { accountOf, calleeOf, callerOf, provisionFor } from "./provision.ts";

const TITLE = "SIPp calls SIPp while instances are killed one after another";
const HOST = "127.0.1.3";
/** From one death to the next at least and at most, in ms; the one before must be over. */
const DEATH_MIN_MS = 500;
const DEATH_MAX_MS = 3_000;
/** A call lasts five seconds at most, and stands still for three if an instance dies of it. */
const LONGEST_MS = 20_000;
/** A BYE that SIPp's last calls do not hear any more is given up after timer F. */
const SETTLE_MS = 40_000;

export interface SippLoad {
  /** Calls a second. */
  readonly rate: number;
  readonly seconds: number;
}
export const SIPP_LOAD: SippLoad = { rate: 12, seconds: 30 };

/** SIPp calls SIPp over UDP while instances are killed one after another; it repeats what it has to, as any phone does. */
export async function runSippStory(
  { rate, seconds }: SippLoad,
  say: (line: string) => void,
): Promise<OutageReport> {
  const redis = await startRedis({ appendonly: "yes" });
  const cluster = await Cluster.start({ redis, provision: provisionFor(1) });
  try {
    const server = `127.0.0.1:${cluster.sprayer.port}`;
    const [caller, callee] = [accountOf(callerOf(0)), accountOf(calleeOf(0))];
    const calls = Math.ceil(rate * seconds);
    const deadlineMs = seconds * 1_000 + LONGEST_MS;
    const phone = { ...callee, server, host: HOST, port: await freePort() };
    const registered = await runSipp({ ...phone, scenario: "register-with-digest" });
    if (!registered.passed) throw new Error(`SIPp is not registered\n${registered.report}`);
    const answering = runSipp({ ...phone, scenario: "chaos/phone-answers", calls, rate, deadlineMs });
    const calling = runSipp({
      ...caller, server, host: HOST, port: await freePort(), service: calleeOf(0), scenario: "chaos/calls-phone", calls, rate, deadlineMs,
    }); // prettier-ignore
    const both = Promise.all([calling, answering]);
    await killOnAndOn(cluster, both);
    const [ofCaller, ofCallee] = await both;
    say(`${cluster.deaths} instances killed; SIPp repeated ${ofCaller.retransmissions} and ${ofCallee.retransmissions} messages`); // prettier-ignore
    const lost = [...lossesOf("caller", ofCaller, calls), ...lossesOf("callee", ofCallee, calls)];
    for (const line of lost) say(line);
    const details = await readDetails(cluster.redis);
    const distinct = new Set(details.map(({ call }) => call)).size;
    const counts = {
      cdrMissing: Math.max(0, calls - distinct),
      cdrDuplicated: details.length - distinct,
      cdrWrongDuration: details.filter(({ durationMs, cause }) => durationMs <= 0 || cause !== "caller-hung-up").length, // prettier-ignore
    };
    // Its registration is for SIPp's time alone.
    const leftovers = await findLeftovers(cluster.redis, { users: [] }, SETTLE_MS);
    return {
      outage: "sipp", title: TITLE, calls, completed: Math.min(ofCaller.successful, ofCallee.successful),
      refused: 0, refusedForMs: 0, refusedRecordedWrong: 0, rolledBack: 0, lost, ...counts, longestStallMs: 0, leftovers,
      passed: lost.length === 0 && leftovers.length === 0 && distinct === calls && Object.values(counts).every((n) => n === 0),
    }; // prettier-ignore
  } finally {
    await cluster.stop();
  }
}

/** Kills one instance after another, at random moments, until the calls are over; two always live. */
async function killOnAndOn(cluster: Cluster, over: Promise<unknown>): Promise<void> {
  const end = over.then(() => "over", () => "over"); // prettier-ignore
  for (;;) {
    const pause = DEATH_MIN_MS + Math.random() * (DEATH_MAX_MS - DEATH_MIN_MS);
    if ((await Promise.race([end, delay(pause)])) === "over") return;
    const { up } = cluster;
    const victim = up[Math.floor(Math.random() * up.length)];
    if (victim && up.length > 2) cluster.kill(victim);
  }
}

const lossesOf = (who: string, { passed, successful, report }: SippOutcome, calls: number): string[] =>
  passed ? [] : [`SIPp as ${who}: ${successful} of ${calls} calls went as they must\n${report}`];
