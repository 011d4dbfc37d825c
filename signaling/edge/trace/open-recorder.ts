import { Counter, type Registry } from "prom-client";
import type { RoleContext } from "#state/instance/role.ts";
import { appendTraces, type TraceLimits } from "#state/trace/append-traces.ts";
import type { Transports } from "#signaling/edge/transport/transport.ts";
import { TraceRecorder } from "./recorder.ts";

/** Entries of one call: far more than any call has that goes well. */
const MAX_ENTRIES = 400;

/** The recorder of a process; undefined when no traces are kept. */
export function openRecorder(
  { config, instance, log, redis }: RoleContext,
  sockets: Pick<Transports, "advertised">,
  registry: Registry,
): TraceRecorder | undefined {
  const { keepSeconds, calls, callKilobytes, callsPerSecond } = config.sip.trace;
  const dropped = new Counter({
    name: "crossband_sip_trace_dropped_total",
    help: "Trace entries that were not kept: no room in the call's trace, too many at once, or Redis refused",
    registers: [registry],
  });
  if (keepSeconds === 0) return undefined;
  const limits: TraceLimits = {
    keepMs: keepSeconds * 1_000,
    maxCalls: calls,
    maxBytes: callKilobytes * 1_024,
    maxEntries: MAX_ENTRIES,
  };
  return new TraceRecorder({
    callsPerSecond,
    instance,
    log,
    local: (transport) => sockets.advertised(transport),
    append: (appends) => appendTraces(redis, instance, appends, limits),
    dropped: (entries) => {
      dropped.inc(entries);
    },
  });
}
