import { Counter, Gauge, Registry } from "prom-client";

/** Counts something for /metrics, by reason. */
export type Count = (name: string, reason?: string) => void;

/** What one bridge process counts: `crossband_radio_<name>_total` by channel and reason, and the channels it serves. */
export class RadioMetrics {
  readonly #registry = new Registry();
  readonly #counters = new Map<string, Counter>();

  /** @param served channels by state, read at each scrape */
  constructor(served: () => ReadonlyMap<string, number>) {
    new Gauge({
      name: "crossband_radio_channels",
      help: "radio channels that this process serves, by state",
      labelNames: ["state"],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const [state, count] of served()) this.set({ state }, count);
      },
    });
  }

  countFor(channel: string): Count {
    return (name, reason = "") => {
      this.#counter(name).inc({ channel, reason });
    };
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #counter(name: string): Counter {
    const known = this.#counters.get(name);
    if (known) return known;
    const counter = new Counter({
      name: `crossband_radio_${name}_total`,
      help: `radio channels: ${name}`,
      labelNames: ["channel", "reason"],
      registers: [this.#registry],
    });
    this.#counters.set(name, counter);
    return counter;
  }
}
