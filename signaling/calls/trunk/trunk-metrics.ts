import { Counter, Gauge, type Registry } from "prom-client";
import type { Claim } from "#state/trunk/slots.ts";

/** What is counted of trunks. */
export interface TrunkMetrics {
  claim(trunk: string, outcome: Claim): void;
  reclaimed(trunk: string, calls: number): void;
  /** A registration or health check was answered, or not. */
  answered(kind: "registration" | "health", trunk: string, outcome: "ok" | "failed"): void;
  /** Its peers sent what bans others, or more than its limit. */
  offended(trunk: string, what: string): void;
}

/** One trunk as every process shows it. */
export interface TrunkReading {
  readonly trunk: string;
  readonly calls: number;
  readonly peers: readonly {
    readonly peer: string;
    readonly up: boolean;
    readonly registered: boolean | undefined;
  }[];
}

/** @param read how the trunks are now; asked once for each scrape */
export function createTrunkMetrics(
  registry: Registry,
  read: () => Promise<readonly TrunkReading[]>,
): TrunkMetrics {
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Counter({ name: `crossband_trunk_${name}_total`, help, labelNames, registers: [registry] });
  const claims = counter("calls", "Calls that asked a trunk for room, by outcome: claimed, full, too-fast", [
    "trunk",
    "outcome",
  ]);
  const reclaimed = counter("reclaimed", "Calls taken off a trunk's count that nobody had given back", [
    "trunk",
  ]);
  const answers = counter("checks", "Answers to REGISTER and OPTIONS that trunks were sent", [
    "kind",
    "trunk",
    "outcome",
  ]);
  const offences = counter(
    "offences",
    "Messages of trunks that would ban anybody else, or were beyond their limit",
    ["trunk", "what"],
  );
  const registered = new Gauge({ name: "crossband_trunk_registered", help: "1 while a trunk's peer has our registration", labelNames: ["trunk", "peer"], registers: [registry] }); // prettier-ignore
  const up = new Gauge({ name: "crossband_trunk_peer_up", help: "1 while a trunk's peer answers OPTIONS", labelNames: ["trunk", "peer"], registers: [registry] }); // prettier-ignore
  new Gauge({
    name: "crossband_trunk_calls",
    help: "Calls that a trunk carries, in the whole cluster; every process shows the same",
    labelNames: ["trunk"],
    registers: [registry],
    async collect() {
      for (const gauge of [this, up, registered]) gauge.reset();
      for (const { trunk, calls, peers } of await read().catch(() => [])) {
        this.set({ trunk }, calls);
        for (const { peer, ...state } of peers) {
          up.set({ trunk, peer }, Number(state.up));
          if (state.registered !== undefined) registered.set({ trunk, peer }, Number(state.registered));
        }
      }
    },
  });
  return {
    claim: (trunk, outcome) => {
      claims.inc({ trunk, outcome });
    },
    reclaimed: (trunk, calls) => {
      reclaimed.inc({ trunk }, calls);
    },
    answered: (kind, trunk, outcome) => {
      answers.inc({ kind, trunk, outcome });
    },
    offended: (trunk, what) => {
      offences.inc({ trunk, what });
    },
  };
}
