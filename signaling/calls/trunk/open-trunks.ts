import type { Registry } from "prom-client";
import { everyBeat } from "#common/beat.ts";
import type { Clock } from "#common/clock.ts";
import { listResources, type DirectoryCache } from "#state/directory/directory.ts";
import type { RoleContext } from "#state/instance/role.ts";
import type { Binding } from "#state/registration/binding.ts";
import { peerStatuses } from "#state/trunk/peer-status.ts";
import { loadOfTrunk } from "#state/trunk/slots.ts";
import { registers } from "#state/directory/trunk-schema.ts";
import type { CallDirectory } from "#signaling/calls/directory.ts";
import { createTargetResolver, systemNames } from "#signaling/edge/transport/resolve.ts";
import type { Conduct } from "#signaling/sip-port/conduct.ts";
import type { SipPort } from "#signaling/sip-port/sip-port.ts";
import { openTrunkBook, type OpenTrunk, type TrunkBook } from "./trunk-book.ts";
import { createTrunkDuties, type TrunkDuties } from "./trunk-duties.ts";
import { createTrunkMetrics, type TrunkReading } from "./trunk-metrics.ts";
import { createTrunkTrust } from "./trunk-trust.ts";
import { createTrunkSlots, type TrunkSlots } from "./trunk-slots.ts";
import { createTrunks, type Trunks } from "./trunks.ts";

/** How often what the directory asks for is compared with what is done, in ms; a change is told at once. */
const SYNC_MS = 10_000;
/** How often counts are looked through, in ms; each call of a trunk's far less often. */
const AUDIT_MS = 5_000;

export interface OpenTrunksOptions {
  readonly context: RoleContext;
  readonly clock: Pick<Clock, "now">;
  readonly port: Pick<SipPort, "begin">;
  readonly registry: Registry;
  readonly cache: Pick<DirectoryCache, "onChange">;
  readonly directory: () => CallDirectory;
  readonly bindings: (user: string) => Promise<readonly Binding[]>;
  readonly ringMs: number;
  /** Who guards the sockets. */
  readonly conduct: Conduct;
}

export interface TrunkParts {
  readonly book: TrunkBook;
  readonly slots: TrunkSlots;
  readonly duties: TrunkDuties;
  readonly trunks: Trunks;
  /** Registers, checks and audits from now on. Returns what ends it in this process; others go on. */
  watch(): () => void;
}

/** Puts together what call control needs for trunks. */
export function openTrunks(options: OpenTrunksOptions): TrunkParts {
  const { context, clock, port, registry, cache, bindings, ringMs } = options;
  const { redis, secret, log } = context;
  const statuses = (trunk: string) => peerStatuses(redis, trunk);
  const read = async (): Promise<readonly TrunkReading[]> =>
    Promise.all((await book.trunks()).map((open) => readingOf(open)));
  const metrics = createTrunkMetrics(registry, read);
  const book = openTrunkBook({
    secret,
    log,
    opened: createTrunkTrust(options.conduct, metrics, log),
    list: () => listResources(redis, "trunk"),
    resolve: createTargetResolver(systemNames(context.config.sip.nameServers)),
  });
  const slots = createTrunkSlots({ redis, clock, log, metrics, book, port });
  const domain = async () => (await options.directory().own()).domain;
  const duties = createTrunkDuties({ secret, domain, redis, clock, log, metrics, book, port });
  const lookup = {
    talkGroup: (id: string) => options.directory().talkGroup(id),
    user: (id: string) => options.directory().user(id),
    trunks: () => options.directory().trunks(),
    emergencyGroup: context.config.sip.emergencyGroup,
  };
  const trunks = createTrunks({ secret, clock, book, slots, lookup, bindings, statuses, ringMs });

  async function readingOf({ trunk, peers }: OpenTrunk): Promise<TrunkReading> {
    const nowMs = clock.now();
    const [{ calls }, known] = await Promise.all([loadOfTrunk(redis, trunk.id, nowMs), statuses(trunk.id)]);
    return {
      trunk: trunk.id,
      calls,
      peers: peers.map(({ text }) => ({
        peer: text,
        up: known.get(text)?.health?.state !== "down",
        registered: registers(trunk) ? (known.get(text)?.registration?.untilMs ?? 0) > nowMs : undefined,
      })),
    };
  }

  return {
    book,
    slots,
    duties,
    trunks,
    watch() {
      const sync = oneAtATime(() => duties.sync(), (error) => { log.warn({ error }, "trunks not looked after"); }); // prettier-ignore
      const audit = oneAtATime(() => slots.audit(), (error) => { log.warn({ error }, "calls of trunks not counted"); }); // prettier-ignore
      let watching = true;
      cache.onChange("trunk", () => {
        if (watching) sync();
      });
      sync();
      const stops = [everyBeat(SYNC_MS, sync), everyBeat(AUDIT_MS, audit)];
      return () => {
        watching = false;
        for (const stop of stops) stop();
      };
    },
  };
}

/** Runs a task; asked again meanwhile, once more after it. */
function oneAtATime(task: () => Promise<void>, failed: (error: string) => void): () => void {
  let running = false;
  let again = false;
  const run = (): void => {
    if (running) {
      again = true;
      return;
    }
    running = true;
    task()
      .catch((error: unknown) => {
        failed(String(error));
      })
      .finally(() => {
        running = false;
        if (!again) return;
        again = false;
        run();
      });
  };
  return run;
}
