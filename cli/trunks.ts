import type { Config } from "#common/config.ts";
import { listResources } from "#state/directory/directory.ts";
import { registers, trunkSchema, type Trunk } from "#state/directory/trunk-schema.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { peerStatuses, type PeerStatus } from "#state/trunk/peer-status.ts";
import { loadOfTrunk, type TrunkLoad } from "#state/trunk/slots.ts";
import { printable } from "./printable.ts";
import { tableLine } from "./table-line.ts";
import { tell } from "./tell.ts";
import { withState } from "./with-state.ts";

/** One peer of a trunk, as the command shows it. */
export interface TrunkRow {
  readonly trunk: string;
  readonly peer: string;
  /** `up`, `down`, `avoided 25s`, `unknown` (never asked), `off`. */
  readonly health: string;
  /** `540s`, `no (403), again in 40s`, or `-` when it does not register. */
  readonly registered: string;
  /** Of the whole trunk, against its limit. */
  readonly calls: string;
  /** New calls within the last minute, and the limit a second. */
  readonly rate: string;
}

/** `crossband trunks`: how each peer of each trunk is. Resolves with the exit code. */
export async function trunks(config: Config, json: boolean): Promise<number> {
  return withState(config, "trunks", async (redis) => {
    const rows = await readTrunks(redis, Date.now());
    for (const line of json ? rows.map((row) => JSON.stringify(row)) : table(rows))
      tell(process.stdout, printable(line));
    return 0;
  });
}

/** Reads what is known of every trunk. */
export async function readTrunks(redis: RedisConnection, nowMs: number): Promise<readonly TrunkRow[]> {
  const found: TrunkRow[] = [];
  for (const stored of await listResources(redis, "trunk")) {
    const { data: trunk } = trunkSchema.safeParse(stored);
    if (!trunk) continue;
    const [load, statuses] = await Promise.all([
      loadOfTrunk(redis, trunk.id, nowMs),
      peerStatuses(redis, trunk.id),
    ]);
    for (const peer of trunk.peers) found.push(rowOf(trunk, peer, load, statuses.get(peer) ?? {}, nowMs));
  }
  return found;
}

const seconds = (untilMs: number, nowMs: number): string =>
  `${Math.max(0, Math.ceil((untilMs - nowMs) / 1_000))}s`;

function rowOf(trunk: Trunk, peer: string, load: TrunkLoad, status: PeerStatus, nowMs: number): TrunkRow {
  return {
    trunk: trunk.id,
    peer,
    health: healthOf(trunk, status, nowMs),
    registered: trunk.enabled && registers(trunk) ? registrationOf(status, nowMs) : "-",
    calls: `${load.calls}/${trunk.maxCalls ?? "-"}`,
    rate: `${load.startsPerMinute}/min${trunk.maxCallsPerSecond === undefined ? "" : ` (max ${trunk.maxCallsPerSecond}/s)`}`,
  };
}

function healthOf(trunk: Trunk, { health, avoidUntilMs = 0 }: PeerStatus, nowMs: number): string {
  if (!trunk.enabled) return "off";
  if (avoidUntilMs > nowMs) return `avoided ${seconds(avoidUntilMs, nowMs)}`;
  return trunk.optionsSeconds === 0 ? "not asked" : (health?.state ?? "unknown");
}

function registrationOf({ registration }: PeerStatus, nowMs: number): string {
  if (!registration) return "not yet";
  const { state, untilMs = 0, status, nextMs = nowMs } = registration;
  const kept = untilMs > nowMs ? seconds(untilMs, nowMs) : undefined;
  if (state === "failed") return `${kept ?? "no"} (${status ?? 408}), again in ${seconds(nextMs, nowMs)}`;
  return kept ?? "trying";
}

const COLUMNS: readonly (readonly [title: string, width: number, of: keyof TrunkRow])[] = [
  ["TRUNK", 16, "trunk"],
  ["PEER", 30, "peer"],
  ["HEALTH", 13, "health"],
  ["REGISTERED", 24, "registered"],
  ["CALLS", 10, "calls"],
  ["RATE", 0, "rate"],
];

/** The rows as lines of text; what does not fit a column is cut. */
export function table(rows: readonly TrunkRow[]): string[] {
  const widths = COLUMNS.map(([, width]) => width);
  const line = (texts: readonly string[]) => tableLine(texts, widths);
  if (rows.length === 0) return ["no trunks"];
  return [
    line(COLUMNS.map(([title]) => title)),
    ...rows.map((row) => line(COLUMNS.map(([, , of]) => row[of]))),
  ];
}
