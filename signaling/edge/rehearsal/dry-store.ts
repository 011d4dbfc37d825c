import type { CallStore } from "#signaling/edge/engine/call-runner.ts";

/** Where commit-step.ts puts them: behind the hash and the number of keys come three keys, then the values. */
const RECORD_KEY = 2;
const VALUE = 7;
const DETAILS = 10;

/** Records of calls that nobody makes: in this process alone, and gone with it. */
export class DryStore implements CallStore {
  /** Detail records that were written. */
  details = 0;
  private readonly records = new Map<string, string>();

  evalsha(...args: [string, number, ...string[]]): Promise<unknown> {
    this.records.set(String(args[RECORD_KEY]), String(args[VALUE]));
    if (args[DETAILS] !== "") this.details++;
    return Promise.resolve("committed");
  }

  eval(): Promise<unknown> {
    return Promise.reject(new Error("every script is known here"));
  }

  get(key: string): Promise<string | null> {
    return Promise.resolve(this.records.get(key) ?? null);
  }

  zrem(): Promise<number> {
    return Promise.resolve(0);
  }
}
