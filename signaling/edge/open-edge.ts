import { Gauge, Histogram, Registry } from "prom-client";
import { startRpc, type Rpc, type RpcHandler } from "#state/rpc/rpc.ts";
import { knownInstances, listInstances, watchInstances } from "#state/instance/instance.ts";
import type { RoleContext } from "#state/instance/role.ts";
import { openCertificates } from "#state/certificate/certificates.ts";
import { ownNames } from "#state/certificate/own-names.ts";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { Engine } from "./engine/engine.ts";
import { callIdOf } from "./engine/ids.ts";
import { createEdgeMetrics } from "./engine/metrics.ts";
import { Sweeper } from "./engine/sweeper.ts";
import { startShedder, type Shedder } from "./overload/shedder.ts";
import { startCensus } from "#signaling/inspect/census.ts";
import { witnesses } from "./engine/witness.ts";
import { openHep } from "./hep/open-hep.ts";
import { leave, takeCalls } from "./leave.ts";
import { openRecorder } from "./trace/open-recorder.ts";
import { keepBans } from "./keep-bans.ts";
import { createWhereabouts } from "./whereabouts.ts";
import { deliverToFlow, flowDelivery, type FlowDeliveryOptions } from "./transport/flow-delivery.ts";
import { kernelDrops } from "./transport/kernel-drops.ts";
import { createSockets, type Sockets } from "./transport/sockets.ts";
import type { TransportListeners } from "./transport/transport.ts";

export interface EdgeOptions {
  readonly context: RoleContext;
  /** Requests of other processes that are not for a socket of this one. */
  readonly onRpc?: RpcHandler;
  /** What Allow says; every method that the edge knows unless said. */
  readonly allow?: string;
}

/** A SIP server in this process: sockets, engine, and the inbox by which other processes reach it. */
export interface Edge {
  /** What call control is written against; attach it with `handle`, then call `listen`. */
  readonly port: Engine;
  readonly sockets: Sockets;
  /** This process's way to others: media, api. */
  readonly rpc: Rpc;
  /** Counters of the edge; call control may add its own. */
  readonly registry: Registry;
  /** Opens the sockets and begins to look after calls whose worker is gone. */
  listen(): Promise<TransportListeners>;
  /** 0 idle to 1 full. */
  readonly load: number;
  /** Resolves when no step is under way; what calls still need is in Redis for the others. */
  drain(): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Cached calls at which a process counts as full. */
const FULL_CALLS = 10_000;

/** Builds the SIP server of a process. Nothing is received before `listen`. */
export function openEdge({ context, onRpc, allow }: EdgeOptions): Edge {
  const { config, instance, log, redis, secret } = context;
  const registry = new Registry();
  const rpc = startRpc(redis, context.openBlocking(), instance, serve, log);
  const sockets = createSockets({
    config,
    instance,
    log,
    deliverElsewhere: flowDelivery({ rpc, living, measure: measureDelivery(registry) }),
    certificates: () => openCertificates(redis, config.sip, ownNames(config), log),
  });
  const bans = keepBans(redis, sockets.guard, log);
  sockets.onBan(bans.share);
  const metrics = createEdgeMetrics(registry);
  const recorder = openRecorder(context, sockets, registry);
  const hep = openHep(context, sockets, registry);
  const witness = witnesses([recorder, hep].filter((each) => each !== undefined));
  const engine = new Engine({
    instance,
    secret,
    redis,
    transports: sockets,
    whereabouts: createWhereabouts(redis),
    log,
    metrics,
    ...(config.sip.sessionExpiresSeconds > 0 && {
      session: { expiresSeconds: config.sip.sessionExpiresSeconds, minSeSeconds: config.sip.minSeSeconds },
    }),
    ...(witness ? { witness } : {}),
    allow,
  });
  observe(registry, sockets, engine);
  const shedder = startShedder({
    callOf: (method, origin) => callIdOf(secret, method, origin),
    isKnown: (call) => engine.isKnown(call),
  });
  sockets.screenWith(shedder);
  countAdmission(registry, shedder);
  let sweeper: Sweeper | undefined;
  let endCensus: (() => void) | undefined;
  let unwatch: (() => void) | undefined;
  const forgetReturns = onReturn(redis, () => { engine.redisReturned(); }); // prettier-ignore
  let closing: Promise<void> | undefined;

  async function living(fresh: boolean): Promise<ReadonlySet<string>> {
    const cards = await (fresh ? listInstances(redis) : knownInstances(redis));
    return new Set(cards.map((card) => card.instance));
  }

  async function serve(request: Parameters<RpcHandler>[0]): Promise<unknown> {
    if (await deliverToFlow(sockets, request)) return {};
    if (await takeCalls(engine, request)) return {};
    if (onRpc) return onRpc(request);
    throw new CrossbandError(ErrorCode.RpcRefused, "no such resource", { path: request.path });
  }

  return {
    port: engine,
    sockets,
    rpc,
    registry,
    async listen() {
      const listeners = await sockets.listen();
      endCensus = startCensus({ redis, registry, log, isFirst: () => isFirst(redis, instance) });
      sweeper = new Sweeper({
        instance,
        redis,
        log,
        metrics,
        listInstances: () => knownInstances(redis),
        adopt: (call, alive) => engine.adopt(call, alive),
      });
      unwatch = watchInstances(redis, () => sweeper?.look());
      return listeners;
    },
    get load() {
      return Math.min(1, engine.cachedCalls / FULL_CALLS);
    },
    drain: () => leave({ context, engine, sockets, rpc, sweeper, others: () => knownInstances(redis) }),
    close() {
      closing ??= (async () => {
        shedder.close();
        forgetReturns();
        unwatch?.();
        endCensus?.();
        await sweeper?.close();
        bans.close();
        await engine.close();
        await recorder?.flush();
        hep?.close();
        await sockets.close();
        await rpc.close();
      })();
      return closing;
    },
  };
}

function measureDelivery(registry: Registry): FlowDeliveryOptions["measure"] {
  const histogram = new Histogram({
    name: "crossband_sip_flow_delivery_seconds",
    help: "Time to hand a message to the process that has its connection, by outcome",
    labelNames: ["outcome"],
    buckets: [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1],
    registers: [registry],
  });
  return (outcome, seconds) => {
    histogram.observe({ outcome }, seconds);
  };
}

/** Tells of every connection to Redis but the first; ends by the function that it returns. */
function onReturn(redis: RoleContext["redis"], returned: () => void): () => void {
  let known = redis.status === "ready";
  const onReady = (): void => {
    if (known) returned();
    known = true;
  };
  redis.on("ready", onReady);
  return () => {
    redis.off("ready", onReady);
  };
}

/** One of the processes that have calls: the first by name. */
async function isFirst(redis: RoleContext["redis"], instance: string): Promise<boolean> {
  const names = (await knownInstances(redis))
    .filter(({ role, draining }) => (role === "signaling" || role === "edge") && !draining)
    .map((card) => card.instance);
  return names.toSorted()[0] === instance;
}

function observe(registry: Registry, sockets: Sockets, engine: Engine): void {
  new Gauge({
    name: "crossband_sip_transport_events",
    help: "What the sockets have seen since the start",
    labelNames: ["event"],
    registers: [registry],
    collect() {
      for (const [event, count] of Object.entries(sockets.counters)) this.set({ event }, count);
    },
  });
  new Gauge({
    name: "crossband_sip_udp_dropped",
    help: "Datagrams that the kernel dropped because the receive buffer of the SIP port was full",
    registers: [registry],
    async collect() {
      this.set(await kernelDrops());
    },
  });
  new Gauge({
    name: "crossband_sip_bans",
    help: "Addresses that are not read at the moment",
    registers: [registry],
    collect() {
      this.set(sockets.guard.bans.length);
    },
  });
  new Gauge({
    name: "crossband_sip_connections",
    help: "Open stream sockets by transport",
    labelNames: ["transport"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [transport, count] of Object.entries(sockets.connectionsByTransport()))
        this.set({ transport }, count);
    },
  });
  new Gauge({
    name: "crossband_sip_transactions",
    help: "Unfinished transactions of the calls that this process works on, by kind",
    labelNames: ["kind"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [kind, count] of Object.entries(engine.transactionsInProgress())) this.set({ kind }, count);
    },
  });
}

function countAdmission(registry: Registry, shedder: Shedder): void {
  new Gauge({
    name: "crossband_sip_admission_limit",
    help: "New requests a second that are taken in while this process is overloaded; -1 for no limit",
    registers: [registry],
    collect() {
      this.set(shedder.limit ?? -1);
    },
  });
}
