import type { Clock } from "#common/clock.ts";
import type { Logger } from "#common/log.ts";
import type { PortPool } from "./port-pool.ts";

/** What the RTP legs of a thread share. */
export interface RtpContext {
  /** Address that sockets bind, and the one that phones are told. */
  readonly host: string;
  readonly advertised: string;
  readonly ports: PortPool;
  /** A leg that sends nothing for this long has failed, in ms. */
  readonly silentLegMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  count(name: string, reason?: string): void;
  /** How much the arrivals of one burst varied, in ms. */
  jitter(ms: number): void;
}
