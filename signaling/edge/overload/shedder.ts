import { performance, type EventLoopUtilization } from "node:perf_hooks";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { Admission, WINDOW_MS } from "./admission.ts";
import { acknowledgesShed, readNewRequest, unavailable } from "./new-request.ts";
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
  /** True when the request of this method and origin began a call that is under way here. */
  readonly isKnown: (method: string, origin: string) => boolean;
}

/** Seconds that a caller is asked to wait: different ones, or they would all come back at once. */
const RETRY_AFTER_S = [2, 3, 4, 5, 6, 7, 8] as const;

/** Windows without a call after which the watch rests. */
const QUIET_WINDOWS = 10;

/** Turns new requests away while this process has no time for them, for a twentieth of what serving one would take. */
export function startShedder({ isKnown }: ShedderOptions): Shedder {
  const admission = new Admission();
  let offered = 0;
  let admitted = 0;
  let shed = 0;
  let quietWindows = 0;
  let before: EventLoopUtilization;
  let lag = new ReadLag(performance.now());
  let timer: NodeJS.Timeout | undefined;

  const tick = (): void => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    const waitMs = lag.look(performance.now());
    admission.note({ utilisation: utilization, waitMs, admitted, offered });
    quietWindows = offered === 0 && !admission.limiting ? quietWindows + 1 : 0;
    offered = admitted = 0;
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
    lag = new ReadLag(performance.now());
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
      if (acknowledgesShed(text)) return "drop";
      const request = readNewRequest(text, flow);
      if (!request || request.emergency || isKnown(request.method, request.origin)) return "read";
      offered++;
      if (admission.admit()) {
        admitted++;
        return "read";
      }
      return {
        answer: unavailable(request, RETRY_AFTER_S[shed++ % RETRY_AFTER_S.length] ?? RETRY_AFTER_S[0]),
      };
    },
    get limit() {
      return admission.perSecond;
    },
    close: stop,
  };
}
