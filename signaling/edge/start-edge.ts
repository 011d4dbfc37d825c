import { Gauge, type Registry } from "prom-client";
import type { RoleContext, RoleHandle } from "#state/instance/role.ts";
import { openEdge } from "./open-edge.ts";
import { bridge } from "./rehearsal/bridge.ts";
import { CALLEE } from "./rehearsal/rehearsed-call.ts";
import { rehearse } from "./rehearsal/rehearse.ts";
import { framesFor, openWire } from "./wire/open-wire.ts";
import type { WireServer } from "./wire/wire-server.ts";

/** Starts the edge alone: a SIP server for drachtio applications, which are its call control. */
export async function startEdge(context: RoleContext): Promise<RoleHandle> {
  const edge = openEdge({ context, onRpc: framesFor(() => wire) });
  const wire: WireServer = openWire(context, edge.port, edge.rpc);
  countWire(edge.registry, wire);
  // Who listens is given calls at once.
  await rehearse(() => bridge(CALLEE), context.log);
  const drachtio = await wire.listen();
  const listeners = await edge.listen();
  let closing: Promise<void> | undefined;
  return {
    role: "edge",
    card: () => ({ listeners: { ...listeners, drachtio }, load: edge.load }),
    metrics: () => edge.registry.metrics(),
    drain: () => edge.drain(),
    close() {
      closing ??= Promise.all([edge.close(), wire.close()]).then(() => undefined);
      return closing;
    },
  };
}

function countWire(registry: Registry, wire: WireServer): void {
  new Gauge({
    name: "crossband_drachtio_frames",
    help: "Frames to and from drachtio applications since the start, by what became of them",
    labelNames: ["event"],
    registers: [registry],
    collect() {
      for (const [event, count] of Object.entries(wire.counters)) this.set({ event }, count);
    },
  });
  new Gauge({
    name: "crossband_drachtio_clients",
    help: "Attached drachtio applications",
    registers: [registry],
    collect() {
      this.set(wire.clients);
    },
  });
}
