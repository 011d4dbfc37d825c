import { tell } from "./tell.ts";

/** A benchmark prints its own report and resolves with the exit code: 0 when it holds its limit. */
export interface Benchmark {
  readonly about: string;
  run(options: ReadonlyMap<string, string>): Promise<number>;
}

const benchmarks: Readonly<Record<string, () => Promise<Benchmark>>> = {
  sip: async () => (await import("../test/bench/sip/sip.ts")).sipBenchmark,
  overload: async () => (await import("../test/bench/sip/overload.ts")).overloadBenchmark,
  registrations: async () => (await import("../test/bench/sip/registrations.ts")).registrationsBenchmark,
  media: async () => (await import("../media/bench/media.ts")).mediaBenchmark,
};

/** `crossband bench NAME key=value…` */
export async function bench(name: string | undefined, options: readonly string[]): Promise<number> {
  const load = name === undefined ? undefined : benchmarks[name];
  if (!load) {
    if (name !== undefined) tell(process.stderr, `no benchmark is called ${name}`);
    tell(process.stdout, "Benchmarks:");
    for (const [key, open] of Object.entries(benchmarks))
      tell(process.stdout, `  ${key.padEnd(10)} ${(await open()).about}`);
    return name === undefined ? 0 : 1;
  }
  const settings = new Map(options.map((pair) => pair.split(/=(.*)/s).slice(0, 2) as [string, string]));
  return (await load()).run(settings);
}
