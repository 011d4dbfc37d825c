import type { Clock } from "#common/clock.ts";
import type { Logger } from "#common/log.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import type { ChangeNotes } from "#state/subscription/change-notes.ts";
import { addUserCall, removeUserCall } from "#state/subscription/user-calls.ts";
import type { AnyCall } from "#signaling/calls/call/call-runner.ts";
import type { CallId, Step } from "#signaling/sip-port/sip-port.ts";
import { dialogsOf } from "./dialogs-of.ts";
import { resourceOf } from "./event-package.ts";

export interface CallWatchOptions {
  readonly redis: RedisConnection;
  readonly notes: Pick<ChangeNotes, "watches" | "note">;
  readonly clock: Pick<Clock, "now">;
  readonly log: Logger;
}

/** What is left of an ended call whose parties are watched, until they have been told of surely. */
export interface ToldCall {
  readonly kind: "told";
  readonly name: "told";
  readonly users: readonly string[];
}

export interface CallWatch {
  /** A call goes from `before` to `after` in this step. */
  stepped(step: Step, before: AnyCall | undefined, after: AnyCall): void;
  /** What to keep of a call that is gone. */
  rest(call: AnyCall | undefined): ToldCall | undefined;
  /** The timer `told`. */
  tell(step: Step): Promise<void>;
  close(): void;
}

export const TOLD_TIMER = "told";
/** A change of a watched call is told again after so long, in ms, by whoever lives then: the first time may be lost in a crash. */
const AGAIN_MS = 2_000;
/** Calls of users whom nobody watches are noted this late, in ms: most of a load test's are over by then. */
const LAZY_MS = 1_000;
/** Lazy notes that wait; further ones are written at once. */
const MAX_LAZY = 20_000;

/**
 * Keeps the list of calls of each user, and tells of changes in those that are watched. The path of a call pays a look into
 * memory; the list is a hint, written off the path, and whoever reads it asks the records.
 */
export function createCallWatch({ redis, notes, clock, log }: CallWatchOptions): CallWatch {
  const lazy = new Map<string, { readonly user: string; readonly call: CallId; readonly on: boolean }>();
  let timer: NodeJS.Timeout | undefined;

  const write = async (user: string, call: CallId, on: boolean): Promise<void> => {
    try {
      if (on) await addUserCall(redis, user, call, clock.now());
      else await removeUserCall(redis, user, call);
    } catch (error) {
      log.debug({ error: String(error) }, "call of a user not noted");
    }
  };
  const flush = (): void => {
    timer = undefined;
    for (const { user, call, on } of lazy.values()) void write(user, call, on);
    lazy.clear();
  };
  const writeLater = (user: string, call: CallId, on: boolean): void => {
    const key = `${call} ${user}`;
    // Begun and over within the same second: there is nothing to write.
    if (!on && lazy.get(key)?.on === true) {
      lazy.delete(key);
      return;
    }
    if (lazy.size >= MAX_LAZY) flush();
    lazy.set(key, { user, call, on });
    timer ??= setTimeout(flush, LAZY_MS).unref();
  };
  const isWatched = (user: string): boolean => notes.watches(resourceOf("dialog", user));
  const tellNow = (user: string, call: CallId, on: boolean): void => {
    lazy.delete(`${call} ${user}`);
    void write(user, call, on).then(() => {
      notes.note(resourceOf("dialog", user));
    });
  };

  return {
    stepped(step, before, after) {
      if (before?.name === after.name && after.name !== "calling" && after.name !== "dialling") return;
      const [was, is] = [before ? dialogsOf(before, "") : [], dialogsOf(after, "")];
      const users = new Set([...was, ...is].map(({ user }) => user));
      const { callId } = step;
      let watched = false;
      for (const user of users) {
        const part = (list: typeof was) => list.filter((one) => one.user === user).map(({ leg, state }) => leg + state).join(); // prettier-ignore
        if (part(was) === part(is)) continue;
        const [had, has] = [part(was) !== "", part(is) !== ""];
        if (isWatched(user)) {
          watched = true;
          step.after(() => {
            tellNow(user, callId, has);
          });
        } else if (had !== has)
          step.after(() => {
            writeLater(user, callId, has);
          });
      }
      if (watched) step.timer(TOLD_TIMER, clock.now() + AGAIN_MS);
    },
    rest(call) {
      const users = call ? partiesOf(call).filter(isWatched) : [];
      return users.length === 0 ? undefined : { kind: "told", name: "told", users };
    },
    async tell(step) {
      const call = await step.load<AnyCall | ToldCall>();
      if (!call) return;
      const { callId } = step;
      const here = call.kind === "told" ? [] : dialogsOf(call, "").map(({ user }) => user);
      const users = call.kind === "told" ? call.users : partiesOf(call);
      if (call.kind === "told") step.save(undefined);
      for (const user of users)
        step.after(() => {
          tellNow(user, callId, here.includes(user));
        });
    },
    close() {
      clearTimeout(timer);
      flush();
    },
  };
}

const partiesOf = (call: AnyCall): readonly string[] => {
  switch (call.kind) {
    case "group":
      return [call.media.member.id];
    case "bridged":
      return [call.media.member.id];
    case "user":
      return [call.caller.id, call.callee];
    case "message":
      return [];
  }
};
