import { afterAll, afterEach, beforeAll, expect } from "vitest";
import type { Config } from "#common/config.ts";
import type { CallDetail } from "#signaling/calls/call/effect.ts";
import type { Call } from "#test/peers/sip-phone/call.ts";
import { CallRefused } from "#test/peers/sip-phone/outgoing-call.ts";
import type { Phone } from "#test/peers/sip-phone/phone.ts";
import { startTestCalls, type TestCalls } from "./start-calls.ts";

export type TestUser = "alice" | "bob" | "carol";
type PhoneOptions = Parameters<TestCalls["phone"]>[1];

/** The signaling process of a test file, and phones that are gone after the test that took them. */
export interface FileCalls extends TestCalls {
  readonly registered: (user: TestUser, options?: PhoneOptions) => Promise<Phone>;
  /** An answered call between phones; both ends. */
  readonly talk: (from: Phone, to: Phone) => Promise<[Call, Call]>;
  /** The records of exactly so many calls since the last look, the one that ended last at the end. */
  readonly newDetails: (count: number) => Promise<CallDetail[]>;
}

/** Starts one signaling process for the tests of the file; after each of them its phones hang up, unregister and close. */
export function useTestCalls(sip: Partial<Config["sip"]> = {}): FileCalls {
  const calls = {} as TestCalls;
  const phones: Phone[] = [];
  const known = new Set<string>();

  beforeAll(async () => {
    const started = await startTestCalls(sip);
    Object.assign(calls, started, {
      async phone(user: TestUser, options: PhoneOptions = {}) {
        const phone = await started.phone(user, options);
        phones.push(phone);
        return phone;
      },
    });
  });
  afterEach(async () => {
    for (const phone of phones.splice(0)) {
      for (const call of phone.calls) await call.hangup().catch(() => undefined);
      await phone.unregister().catch(() => 0);
      phone.close();
    }
  });
  afterAll(async () => {
    await calls.close();
  });

  return Object.assign(calls, {
    async registered(user: TestUser, options: PhoneOptions = {}) {
      const phone = await calls.phone(user, options);
      await phone.register();
      return phone;
    },
    async talk(from: Phone, to: Phone): Promise<[Call, Call]> {
      const invite = await from.invite(to.options.user);
      const theirs = (await to.incoming()).answer();
      const ours = await invite.answered;
      await theirs.confirmed();
      return [ours, theirs];
    },
    async newDetails(count: number) {
      const fresh = (await calls.details(known.size + count)).filter(({ call }) => !known.has(call));
      for (const { call } of fresh) known.add(call);
      expect(fresh).toHaveLength(count);
      return fresh.toSorted((a, b) => a.endMs - b.endMs);
    },
  });
}

/** The refusal that an INVITE got; throws when it got none. */
export async function refusalOf(work: Promise<unknown>): Promise<CallRefused> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof CallRefused) return error;
  throw new Error(`was not refused: ${String(error)}`);
}

/** Its status alone. */
export const statusOf = async (work: Promise<unknown>): Promise<number> => (await refusalOf(work)).status;
