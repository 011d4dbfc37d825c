import type { Clock } from "#common/clock.ts";
import type { Logger } from "#common/log.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { notePeer } from "#state/trunk/peer-status.ts";
import { auditSlots, claimSlot, releaseSlot, type Claim } from "#state/trunk/slots.ts";
import { trunkOf, type AnyCall, type CallTrunks } from "#signaling/calls/call/call-runner.ts";
import type { SipPort } from "#signaling/sip-port/sip-port.ts";
import type { TrunkBook } from "./trunk-book.ts";
import type { TrunkMetrics } from "./trunk-metrics.ts";

export interface TrunkSlots extends CallTrunks {
  /** Drops what calls that are no more have left behind. */
  audit(): Promise<void>;
}

export interface TrunkSlotsOptions {
  readonly redis: RedisConnection;
  readonly clock: Pick<Clock, "now">;
  readonly log: Logger;
  readonly metrics: TrunkMetrics;
  readonly book: TrunkBook;
  readonly port: Pick<SipPort, "begin">;
}

/** Counts calls against the limits of their trunks. What counts is the set in Redis; the records of the calls say what of it is true. */
export function createTrunkSlots({ redis, clock, log, metrics, book, port }: TrunkSlotsOptions): TrunkSlots {
  /** Whether the record of a call says that it goes over the trunk. */
  const carries =
    (trunk: string) =>
    async (call: string): Promise<boolean> => {
      let lives = false;
      await port.begin(call, async (step) => {
        lives = trunkOf(await step.load<AnyCall>()) === trunk;
      });
      return lives;
    };

  const drop = async (trunk: string, all: boolean): Promise<number> => {
    const dropped = await auditSlots(redis, trunk, clock.now(), all, carries(trunk));
    if (dropped > 0) {
      metrics.reclaimed(trunk, dropped);
      log.info({ trunk, dropped }, "calls that are no more taken off a trunk's count");
    }
    return dropped;
  };

  return {
    async claim(id, call): Promise<Claim> {
      const open = (await book.trunks()).find(({ trunk }) => trunk.id === id);
      if (!open) return "full";
      let outcome = await claimSlot(redis, id, call, open.trunk);
      // Before somebody is turned away, what was left behind is looked for.
      if (outcome === "full" && (await drop(id, true)) > 0)
        outcome = await claimSlot(redis, id, call, open.trunk);
      metrics.claim(id, outcome);
      return outcome;
    },
    release(trunk, call) {
      releaseSlot(redis, trunk, call).catch((error: unknown) => {
        log.warn({ trunk, call, error: String(error) }, "call not taken off a trunk's count");
      });
    },
    avoid(trunk, peer, seconds) {
      notePeer(redis, trunk, peer, "avoid", clock.now() + seconds * 1_000).catch((error: unknown) => {
        log.warn({ trunk, peer, error: String(error) }, "peer of a trunk not marked");
      });
    },
    async audit() {
      for (const { trunk } of await book.trunks()) await drop(trunk.id, false);
    },
  };
}
