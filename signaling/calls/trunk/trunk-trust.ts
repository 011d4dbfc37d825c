import { LRUCache } from "lru-cache";
import { calm } from "#common/calm.ts";
import type { Logger } from "#common/log.ts";
import type { Conduct, Offence, Trusted } from "#signaling/sip-port/conduct.ts";
import type { OpenTrunk } from "./trunk-book.ts";
import type { TrunkMetrics } from "./trunk-metrics.ts";
import { isLoopback } from "./trunk-sources.ts";

/** Sources whose answer is remembered: every message is held against the addresses of every trunk. */
const REMEMBERED = 10_000;
/** What a trunk does wrong is logged so often at most, in ms. */
const ALARM_MS = 60_000;

/**
 * Who guards the sockets is told which sources are peers of trunks: a busy carrier that passes on its customers' garbage must
 * not be shut out with all its calls. It is counted, logged and limited by itself.
 */
export function createTrunkTrust(conduct: Conduct, metrics: TrunkMetrics, log: Logger) {
  const alarms = new Map<string, (what: Offence | "limited") => void>();
  const alarmOf = (trunk: string): ((what: Offence | "limited") => void) => {
    let alarm = alarms.get(trunk);
    if (!alarm) {
      const write = calm((keptBack, what: string) => {
        log.warn({ trunk, what, keptBack }, "a trunk sends what others are banned for");
      }, ALARM_MS);
      alarms.set(trunk, (alarm = write));
    }
    return alarm;
  };

  const trustedOf = ({ trunk: { id, maxMessagesPerSecond } }: OpenTrunk): Trusted => {
    const told = (what: Offence | "limited"): void => {
      metrics.offended(id, what);
      alarmOf(id)(what);
    };
    return {
      messagesPerSecond: maxMessagesPerSecond,
      offended: told,
      limited() {
        told("limited");
      },
    };
  };

  /** These are the trunks in use from now on. */
  return (trunks: readonly OpenTrunk[]): void => {
    const peers = trunks.map((open) => ({ open, trusted: trustedOf(open) }));
    const ids = new Set(trunks.map(({ trunk }) => trunk.id));
    for (const id of alarms.keys()) if (!ids.has(id)) alarms.delete(id);
    const known = new LRUCache<string, Trusted | "nobody">({ max: REMEMBERED });
    conduct.trust(({ host, port }) => {
      if (peers.length === 0) return undefined;
      const key = isLoopback(host) ? `${host} ${port}` : host;
      let found = known.get(key);
      if (found === undefined) {
        found = peers.find(({ open }) => open.sources.includes({ host, port }))?.trusted ?? "nobody";
        known.set(key, found);
      }
      return found === "nobody" ? undefined : found;
    });
  };
}
