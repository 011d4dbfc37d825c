import { Histogram, type Registry } from "prom-client";
import { redisErrorKind } from "#state/redis/error-kind.ts";
import type { Draft, Outgoing } from "./draft.ts";
import { tally, type Count } from "./tally.ts";

/** What the edge counts. One set a process, on the registry that it is given. */
export interface EdgeMetrics {
  received(method: string, status: number): void;
  sent(message: Outgoing): void;
  ended(transactions: Draft["ended"]): void;
  retransmissionAbsorbed(): void;
  committed(seconds: number): void;
  conflict(): void;
  /** A record that Redis had acknowledged and lost was written again. */
  restored(): void;
  redisRoundTrip(kind: "read" | "commit" | "due"): void;
  dropped(reason: string): void;
  handlerFailed(): void;
  /** What became of a request whose connection was gone. */
  flow(outcome: "moved" | "awaited" | "reconnected" | "failed"): void;
  /** @param delaySeconds since the dead instance was last seen alive */
  adopted(delaySeconds: number | undefined): void;
  takenOver(): void;
  redisFailed(error: unknown): void;
  dueLag(seconds: number): void;
}

const LATENCY_BUCKETS = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2];
/** Methods that get a label of their own; a scanner's inventions do not. */
const LABELLED: ReadonlySet<string> = new Set([
  "INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "MESSAGE", "INFO", "UPDATE", "PRACK", "SUBSCRIBE", "NOTIFY", "REFER", "PUBLISH",
]); // prettier-ignore

/** Registers the counters of the edge. */
export function createEdgeMetrics(registry: Registry): EdgeMetrics {
  const counter = (name: string, help: string, ...labelNames: readonly string[]) =>
    tally(registry, `crossband_sip_${name}`, help, ...labelNames);
  const messages = counter("messages_total", "SIP messages", "direction", "method", "class");
  const transactions = counter("transactions_total", "Finished transactions", "kind", "outcome");
  const retransmissions = counter("retransmissions_total", "Messages sent again, or absorbed", "direction");
  const commits = counter("commits_total", "Steps committed to Redis")();
  const conflicts = counter(
    "commit_conflicts_total",
    "Steps done again because another instance was faster",
  )();
  const restorations = counter("restored_total", "Records that Redis lost with its master, written again")();
  const roundTrips = counter("redis_round_trips_total", "Redis commands that a message waited for", "kind");
  const drops = counter("dropped_total", "Messages dropped", "reason");
  const failures = counter("handler_failures_total", "Exceptions of call control")();
  const adoptions = counter("adopted_total", "Unfinished calls taken over from a dead instance")();
  const lostFlows = counter(
    "lost_flows_total",
    "Requests whose connection was gone, and what became of them",
    "outcome",
  );
  const redisErrors = tally(registry, "crossband_redis_errors_total", "Redis commands of calls that failed, by kind", "kind"); // prettier-ignore
  const handOvers = counter("handed_over_total", "Calls taken over from an instance that leaves")();
  const adoptionDelay = new Histogram({
    name: "crossband_sip_adoption_delay_seconds",
    help: "Time from the last sign of life of an instance to the adoption of each of its calls",
    buckets: [0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30],
    registers: [registry],
  });
  const dueLag = new Histogram({
    name: "crossband_sip_due_lag_seconds",
    help: "How late a call of a due set was when somebody looked at it",
    buckets: [0.5, 1, 2, 5, 10, 30, 120],
    registers: [registry],
  });
  const latency = new Histogram({
    name: "crossband_sip_commit_seconds",
    help: "Time from a decided step to its commit",
    buckets: LATENCY_BUCKETS,
    registers: [registry],
  });
  const count = {
    in: byMethodAndClass((method, statusClass) => messages("in", method, statusClass)),
    out: byMethodAndClass((method, statusClass) => messages("out", method, statusClass)),
  };
  const [absorbed, sentAgain] = [retransmissions("absorbed"), retransmissions("sent")];
  const trips = { read: roundTrips("read"), commit: roundTrips("commit"), due: roundTrips("due") };
  return {
    received: (method, status) => {
      count.in(method, status).value++;
    },
    sent({ method, status, retransmission }) {
      count.out(method, status).value++;
      if (retransmission === true) sentAgain.value++;
    },
    ended(list) {
      for (const { kind, outcome } of list) transactions(kind, outcome).value++;
    },
    retransmissionAbsorbed: () => {
      absorbed.value++;
    },
    committed(seconds) {
      commits.value++;
      latency.observe(seconds);
    },
    restored: () => {
      restorations.value++;
    },
    conflict: () => {
      conflicts.value++;
    },
    redisRoundTrip: (kind) => {
      trips[kind].value++;
    },
    dropped: (reason) => {
      drops(reason).value++;
    },
    handlerFailed: () => {
      failures.value++;
    },
    adopted(delaySeconds) {
      adoptions.value++;
      if (delaySeconds !== undefined) adoptionDelay.observe(delaySeconds);
    },
    redisFailed: (error) => {
      redisErrors(redisErrorKind(error)).value++;
    },
    takenOver: () => {
      handOvers.value++;
    },
    dueLag: (seconds) => {
      dueLag.observe(seconds);
    },
    flow: (outcome) => {
      lostFlows(outcome).value++;
    },
  };
}

/** The counts of messages by method (a scanner's inventions together) and hundreds of the status. */
function byMethodAndClass(
  make: (method: string, statusClass: string) => Count,
): (method: string, status: number) => Count {
  const known: (Map<string, Count> | undefined)[] = [];
  return (method, status) => {
    const hundreds = Math.floor(status / 100);
    const methods = (known[hundreds] ??= new Map<string, Count>());
    const label = LABELLED.has(method) ? method : "other";
    let count = methods.get(label);
    if (!count) methods.set(label, (count = make(label, hundreds === 0 ? "request" : `${hundreds}xx`)));
    return count;
  };
}
