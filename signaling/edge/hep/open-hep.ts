import { Counter, type Registry } from "prom-client";
import type { RoleContext } from "#state/instance/role.ts";
import type { Transports } from "#signaling/edge/transport/transport.ts";
import { HepExport } from "./hep-export.ts";

/** The capture of a process; undefined unless a collector is configured. */
export function openHep(
  { config, log }: Pick<RoleContext, "config" | "log">,
  sockets: Pick<Transports, "advertised">,
  registry: Registry,
): HepExport | undefined {
  const { target, id, key, redact } = config.hep;
  const counter = new Counter({
    name: "crossband_sip_hep_total",
    help: "Messages for the HEP collector: sent, or dropped because it or we are too slow, or too long",
    labelNames: ["event"],
    registers: [registry],
  });
  if (target === undefined) return undefined;
  const at = target.lastIndexOf(":");
  return new HepExport({
    host: target.slice(0, at).replace(/^\[|\]$/g, ""),
    port: Number(target.slice(at + 1)),
    agent: id,
    key,
    redacted: redact,
    local: (transport) => sockets.advertised(transport),
    log,
    count: (event) => {
      counter.inc({ event });
    },
  });
}
