import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** What one media thread counts. Audio paths add to plain numbers; they are read when somebody asks. */
export class ThreadMetrics {
  readonly #registry = new Registry();
  readonly #counts = new Map<string, Map<string, number>>();
  readonly #lateness: Histogram;
  readonly #jitter: Histogram;
  readonly #counters = new Map<string, Counter>();

  /** @param gauges read at each scrape, by name */
  constructor(gauges: Readonly<Record<string, { help: string; read: () => number }>>) {
    for (const [name, { help, read }] of Object.entries(gauges))
      new Gauge({
        name: `crossband_media_${name}`,
        help,
        registers: [this.#registry],
        collect() {
          this.set(read());
        },
      });
    this.#lateness = new Histogram({
      name: "crossband_media_beat_lateness_seconds",
      help: "How late a group's 20 ms beat came",
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1],
      registers: [this.#registry],
    });
    this.#jitter = new Histogram({
      name: "crossband_media_jitter_seconds",
      help: "How much packets' arrivals varied at the end of a burst",
      buckets: [0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.2],
      registers: [this.#registry],
    });
  }

  jitter(ms: number): void {
    this.#jitter.observe(ms / 1_000);
  }

  /** `crossband_media_<name>_total`, by reason when there is one. */
  count(name: string, reason = ""): void {
    const byReason = this.#counts.get(name) ?? new Map<string, number>();
    if (byReason.size === 0) this.#counts.set(name, byReason);
    byReason.set(reason, (byReason.get(reason) ?? 0) + 1);
  }

  late(ms: number): void {
    this.#lateness.observe(Math.max(0, ms) / 1_000);
  }

  /** Everything, as prom-client's registries pass it between threads. */
  async read(): Promise<unknown[]> {
    for (const [name, byReason] of this.#counts)
      for (const [reason, value] of byReason) {
        const counter = this.#counter(name);
        if (reason === "") counter.inc(value);
        else counter.inc({ reason }, value);
        byReason.set(reason, 0);
      }
    return this.#registry.getMetricsAsJSON();
  }

  #counter(name: string): Counter {
    const known = this.#counters.get(name);
    if (known) return known;
    const counter = new Counter({
      name: `crossband_media_${name}_total`,
      help: `Media: ${name.replaceAll("_", " ")}`,
      labelNames: ["reason"],
      registers: [this.#registry],
    });
    this.#counters.set(name, counter);
    return counter;
  }
}
