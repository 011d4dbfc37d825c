import { Counter, type Registry } from "prom-client";

/** One count of a labelled counter; adding to it is an addition and nothing else. */
export interface Count {
  value: number;
}

/**
 * A counter for the hot path. prom-client checks and hashes the labels at each increment, which costs more than what is
 * counted; here the labels are looked up once, and the counts handed over when somebody asks for the metrics.
 *
 * @param labelNames of every count; their values, in this order, must come from bounded sets
 * @returns the count of a set of values, to be kept by whoever adds to it often
 */
export function tally(
  registry: Registry,
  name: string,
  help: string,
  ...labelNames: readonly string[]
): (...values: readonly string[]) => Count {
  const counts = new Map<string, { readonly labels: Record<string, string>; readonly count: Count }>();
  new Counter({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, count } of counts.values()) this.inc(labels, count.value);
    },
  });
  const of = (...values: readonly string[]): Count => {
    const key = values.join("\n");
    let known = counts.get(key);
    if (!known) {
      const labels = Object.fromEntries(labelNames.map((label, i) => [label, values[i] ?? ""]));
      counts.set(key, (known = { labels, count: { value: 0 } }));
    }
    return known.count;
  };
  // A counter without labels is there from the start; one with labels appears with its first count.
  if (labelNames.length === 0) of();
  return of;
}
