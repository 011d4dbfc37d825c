import { Counter, Histogram, type Registry } from "prom-client";
import type { Draft, Outgoing } from "./draft.ts";

/** What the edge counts. One set a process, on the registry that it is given. */
export interface EdgeMetrics {
  received(method: string, status: number): void;
  sent(message: Outgoing): void;
  ended(transactions: Draft["ended"]): void;
  retransmissionAbsorbed(): void;
  committed(seconds: number): void;
  conflict(): void;
  redisRoundTrip(kind: "read" | "commit" | "due"): void;
  dropped(reason: string): void;
  handlerFailed(): void;
  adopted(): void;
}

const LATENCY_BUCKETS = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2];
/** Methods that get a label of their own; a scanner's inventions do not. */
const LABELLED: ReadonlySet<string> = new Set([
  "INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "MESSAGE", "INFO", "UPDATE", "PRACK", "SUBSCRIBE", "NOTIFY", "REFER", "PUBLISH",
]); // prettier-ignore

/** Registers the counters of the edge. */
export function createEdgeMetrics(registry: Registry): EdgeMetrics {
  const registers = [registry];
  const counter = <const Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Counter({ name: `crossband_sip_${name}`, help, labelNames, registers });
  const messages = counter("messages_total", "SIP messages", "direction", "method", "class");
  const transactions = counter("transactions_total", "Finished transactions", "kind", "outcome");
  const retransmissions = counter("retransmissions_total", "Messages sent again, or absorbed", "direction");
  const commits = counter("commits_total", "Steps committed to Redis");
  const conflicts = counter("commit_conflicts_total", "Steps done again because another instance was faster");
  const roundTrips = counter("redis_round_trips_total", "Redis commands that a message waited for", "kind");
  const drops = counter("dropped_total", "Messages dropped", "reason");
  const failures = counter("handler_failures_total", "Exceptions of call control");
  const adoptions = counter("adopted_total", "Unfinished calls taken over from a dead instance");
  const latency = new Histogram({
    name: "crossband_sip_commit_seconds",
    help: "Time from a decided step to its commit",
    buckets: LATENCY_BUCKETS,
    registers,
  });
  const count = memoize((direction: string, method: string, status: number) =>
    messages.labels(
      direction,
      LABELLED.has(method) ? method : "other",
      status === 0 ? "request" : `${Math.floor(status / 100)}xx`,
    ),
  );
  // Children of labels are looked up once: on the hot path that costs more than the count.
  const [absorbed, sentAgain] = [retransmissions.labels("absorbed"), retransmissions.labels("sent")];
  const trips = {
    read: roundTrips.labels("read"),
    commit: roundTrips.labels("commit"),
    due: roundTrips.labels("due"),
  };
  return {
    received: (method, status) => {
      count("in", method, status).inc();
    },
    sent({ method, status, retransmission }) {
      count("out", method, status).inc();
      if (retransmission === true) sentAgain.inc();
    },
    ended(list) {
      for (const { kind, outcome } of list) transactions.inc({ kind, outcome });
    },
    retransmissionAbsorbed: () => {
      absorbed.inc();
    },
    committed(seconds) {
      commits.inc();
      latency.observe(seconds);
    },
    conflict: () => {
      conflicts.inc();
    },
    redisRoundTrip: (kind) => {
      trips[kind].inc();
    },
    dropped: (reason) => {
      drops.inc({ reason });
    },
    handlerFailed: () => {
      failures.inc();
    },
    adopted: () => {
      adoptions.inc();
    },
  };
}

/** The label lookup of prom-client costs more than the count: remember the child of each label set (bounded by its values). */
function memoize<T>(make: (direction: string, method: string, status: number) => T): typeof make {
  const known = new Map<string, T>();
  return (direction, method, status) => {
    const key = `${direction} ${LABELLED.has(method) ? method : "other"} ${Math.floor(status / 100)}`;
    let child = known.get(key);
    if (child === undefined) known.set(key, (child = make(direction, method, status)));
    return child;
  };
}
