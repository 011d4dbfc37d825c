import { performance, type EventLoopUtilization } from "node:perf_hooks";
import type { CallId, Flow } from "#signaling/sip-port/sip-port.ts";
import { Admission, WINDOW_MS } from "./admission.ts";
import { readNewRequest, refusedCall, unavailable } from "./new-request.ts";
import { ReadLag } from "./read-lag.ts";

/** What is done with a message before anybody parses it. */
export type Verdict = "read" | "drop" | { readonly answer: string };

export interface Shedder {
  screen(text: string, flow: Flow): Verdict;
  /** A datagram, or a piece of a stream, was read from a socket: told before it is looked at. */
  noteRead(datagram: boolean): void;
  /** New requests a second that are let in; undefined for all. */
  readonly limit: number | undefined;
  close(): void;
}

export interface ShedderOptions {
  /** The call that a request of this method and origin begins, or has begun. */
  readonly callOf: (method: string, origin: string) => CallId;
  /** True when the call is under way here. */
  readonly isKnown: (call: CallId) => boolean;
}

/** Seconds that a caller is asked to wait: different ones, or they would all come back at once. */
const RETRY_AFTER_S = [2, 3, 4, 5, 6, 7, 8] as const;

/**
 * Refused callers in a window whose ACK is looked at: what was refused may be under way at an instance that their request had
 * reached before, and is ended then. A call of those that are not looked at ends when nobody answers, or acknowledges the answer.
 */
const ACKS_PER_WINDOW = 20;

/** Windows without a call after which the watch rests. */
const QUIET_WINDOWS = 10;

/** Turns new requests away while this process has no time for them, for a twentieth of what serving one would take. */
export function startShedder({ callOf, isKnown }: ShedderOptions): Shedder {
  const admission = new Admission();
  let offered = 0;
  let admitted = 0;
  let shed = 0;
  let acks = 0;
  let quietWindows = 0;
  let before: EventLoopUtilization;
  let used = processorTime();
  let lag = new ReadLag(used[1]);
  let timer: NodeJS.Timeout | undefined;

  const tick = (): void => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    const [usedMs, nowMs] = processorTime();
    const processor = (usedMs - used[0]) / (nowMs - used[1]);
    used = [usedMs, nowMs];
    admission.note({ utilisation: utilization, processor, waitMs: lag.look(nowMs), admitted, offered });
    quietWindows = offered === 0 && !admission.limiting ? quietWindows + 1 : 0;
    offered = admitted = acks = 0;
    if (quietWindows >= QUIET_WINDOWS) stop();
  };
  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
  };
  /** Nothing is watched while nobody calls. */
  const watch = (): void => {
    if (timer !== undefined) return;
    before = performance.eventLoopUtilization();
    used = processorTime();
    lag = new ReadLag(used[1]);
    timer = setInterval(tick, WINDOW_MS);
    timer.unref();
  };

  const turnOver = (): void => {
    lag.turnOver(performance.now());
  };

  return {
    noteRead(datagram) {
      if (timer !== undefined && lag.read(performance.now(), datagram)) setImmediate(turnOver);
    },
    screen(text, flow) {
      if (!admission.limiting) {
        if (text.startsWith("INVITE ")) {
          offered++;
          admitted++;
          watch();
        }
        return "read";
      }
      const refused = refusedCall(text);
      if (refused !== undefined) return isKnown(refused) || acks++ < ACKS_PER_WINDOW ? "read" : "drop";
      const request = readNewRequest(text, flow);
      if (!request || request.emergency) return "read";
      const call = callOf(request.method, request.origin);
      if (isKnown(call)) return "read";
      offered++;
      if (admission.admit()) {
        admitted++;
        return "read";
      }
      const retryAfterS = RETRY_AFTER_S[shed++ % RETRY_AFTER_S.length] ?? RETRY_AFTER_S[0];
      return { answer: unavailable(request, call, retryAfterS) };
    },
    get limit() {
      return admission.perSecond;
    },
    close: stop,
  };
}

/** Processor time of this thread, and when that was read, both in ms. */
function processorTime(): readonly [usedMs: number, nowMs: number] {
  const { user, system } = process.threadCpuUsage();
  return [(user + system) / 1_000, performance.now()];
}
