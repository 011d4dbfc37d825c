import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { silent } from "#common/log.ts";
import { applyProvision, parseProvision } from "#state/directory/directory.ts";
import { connect, type RedisConnection } from "#state/redis/connection.ts";
import { freeSipPort, freeUdpRange } from "#test/setup/free-ports.ts";
import { workerPath } from "../../scripts/mediasoup-worker/worker-path.mjs";
import { delay } from "./delay.ts";
import { Sprayer, type Seen, type Target } from "./sprayer.ts";
import type { TapNews, TapOrder } from "./tap.ts";
import type { Transport } from "./transports.ts";
import { openWssFront, type WssFront } from "./wss-front.ts";

const PROGRAM = fileURLToPath(new URL("../../crossband.ts", import.meta.url));
const INSTANCE = fileURLToPath(new URL("instance.ts", import.meta.url));
const NAMES = ["one", "two", "three", "four"];
export const DOMAIN = "chaos.local";
export const GROUP = "chaos-group";
const START_LIMIT_MS = 60_000;
const RTP_PORTS = 2_000;
const MEDIA_HOLD_MS = 600;
/** A killed instance comes back after this long at least and at most, in ms. */
const BACK_MIN_MS = 200;
const BACK_MAX_MS = 3_000;

/** The Redis of a cluster, started before it and stopped after it by whoever made it. */
export interface ClusterRedis {
  readonly url: string;
  stop(): Promise<void>;
}

/** One of the four. It keeps its name and ports over its deaths. */
export interface Instance extends Target {
  readonly tlsPort: number;
  up: boolean;
  child: ChildProcess | undefined;
}

export interface ClusterOptions {
  /** Belongs to the cluster from then on: it ends with it. */
  readonly redis: ClusterRedis;
  /** The provisioning file, which may name peers behind the sprayer. */
  readonly provision: string | ((sprayer: Sprayer) => Promise<string>);
  /** What phones will speak. */
  readonly transports?: readonly Transport[];
}

/** Four signaling processes behind a sprayer, a media process and a Redis, all of this harness's own. */
export class Cluster {
  readonly redis: RedisConnection;
  readonly sprayer: Sprayer;
  readonly instances: Instance[];
  onNews: (instance: string, news: TapNews) => void = () => undefined;
  /** Told of every message between a phone and an instance. */
  onSeen: (seen: Seen) => void = () => undefined;
  deaths = 0;
  private wss: WssFront | undefined;
  private readonly redisServer: ClusterRedis;
  private readonly environment: NodeJS.ProcessEnv;
  private closing = false;
  private media: ChildProcess | undefined;
  private order: TapOrder = { cuts: [], watch: [] };
  private readonly pending = new Set<NodeJS.Timeout>();
  private readonly children = new Set<ChildProcess>();

  private constructor(
    redisServer: ClusterRedis,
    sprayer: Sprayer,
    instances: Instance[],
    environment: NodeJS.ProcessEnv,
  ) {
    this.redisServer = redisServer;
    this.redis = connect(redisServer.url, { log: silent });
    this.sprayer = sprayer;
    this.instances = instances;
    this.environment = environment;
  }

  static async start({ redis, provision, transports = ["udp"] }: ClusterOptions): Promise<Cluster> {
    const instances: Instance[] = [];
    for (const name of NAMES) {
      const [port, tlsPort] = [await freeSipPort(), await freeSipPort()];
      instances.push({ name, port, tlsPort, up: false, child: undefined });
    }
    const sprayer = await Sprayer.open(() => instances);
    const rtp = await freeUdpRange(RTP_PORTS);
    const cluster = new Cluster(redis, sprayer, instances, {
      ...process.env,
      REDIS_URL: redis.url,
      CROSSBAND_SIP_ADVERTISED: `127.0.0.1:${sprayer.port}`,
      CROSSBAND_DRACHTIO_PORT: "0",
      CROSSBAND_RTP_PORTS: `${rtp}-${rtp + RTP_PORTS - 1}`,
      CROSSBAND_LOG: process.env["CROSSBAND_LOG"] ?? "fatal",
      MEDIASOUP_WORKER_BIN: workerPath(),
    });
    sprayer.onSeen = (seen) => { cluster.onSeen(seen); }; // prettier-ignore
    try {
      const file = typeof provision === "string" ? provision : await provision(sprayer);
      await applyProvision(cluster.redis, parseProvision(file));
      if (transports.includes("wss")) cluster.wss = await openWssFront(cluster.redis, NAMES);
      cluster.media = await cluster.spawn(PROGRAM, ["media"], {});
      await Promise.all(instances.map((instance) => cluster.startInstance(instance)));
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  get up(): Instance[] {
    return this.instances.filter(({ up }) => up);
  }

  /** `host:port` at which a phone reaches an instance; over UDP, whichever the sprayer picks. */
  addressOf(transport: Transport, { name, port, tlsPort }: Instance): string {
    switch (transport) {
      case "udp":
        return `127.0.0.1:${this.sprayer.port}`;
      case "tcp":
        return `127.0.0.1:${port}`;
      case "tls":
        return `127.0.0.1:${tlsPort}`;
      case "wss":
        return this.wss?.addressOf(name) ?? "";
    }
  }

  /** Tells every instance what to cut and whom to watch; those that come back later are told as well. */
  command(order: TapOrder): void {
    this.order = order;
    for (const { child } of this.up) child?.send(order);
  }

  /** The media process stands still until the returned function is called, or for a while: less than its lease. */
  holdMedia(): () => void {
    this.media?.kill("SIGSTOP");
    const release = (): void => {
      clearTimeout(timer);
      this.media?.kill("SIGCONT");
    };
    const timer = setTimeout(release, MEDIA_HOLD_MS);
    return release;
  }

  /** What one instance alone shall cut. */
  arm(instance: Instance, order: TapOrder): void {
    instance.child?.send(order);
  }

  /** kill -9, and a new start after a random while. */
  kill(instance: Instance): number {
    const atMs = Date.now();
    instance.up = false;
    instance.child?.kill("SIGKILL");
    this.deaths++;
    const timer = setTimeout(
      () => {
        this.pending.delete(timer);
        void this.comeBack(instance);
      },
      BACK_MIN_MS + Math.random() * (BACK_MAX_MS - BACK_MIN_MS),
    );
    this.pending.add(timer);
    return atMs;
  }

  /** SIGTERM, with the balancer told of it as an orchestrator does; resolves when the instance has left and another is up. */
  async replace(
    instance: Instance,
  ): Promise<{ readonly exitCode: number | null; readonly leftInMs: number }> {
    const { child } = instance;
    if (!child) throw new Error(`${instance.name} does not run`);
    instance.up = false;
    this.sprayer.leaveOut(instance.name);
    const startedMs = Date.now();
    const left = new Promise<number | null>((done) => child.once("exit", done));
    child.kill("SIGTERM");
    const exitCode = await left;
    const leftInMs = Date.now() - startedMs;
    await this.startInstance(instance);
    return { exitCode, leftInMs };
  }

  async stop(): Promise<void> {
    this.closing = true;
    for (const timer of this.pending) clearTimeout(timer);
    await this.wss?.close();
    this.redis.disconnect();
    await Promise.all([...this.children].map(end));
    this.sprayer.close();
    await this.redisServer.stop();
  }

  /** Starts an instance again, and again should it not come up. */
  private async comeBack(instance: Instance): Promise<void> {
    while (!this.closing && !instance.up) await this.startInstance(instance).catch(() => delay(BACK_MIN_MS));
  }

  private async startInstance(instance: Instance): Promise<void> {
    const child = await this.spawn(INSTANCE, [], {
      CROSSBAND_SIP_PORT: String(instance.port),
      CROSSBAND_SIPS_PORT: String(instance.tlsPort),
      CROSSBAND_INSTANCE: instance.name,
    });
    instance.child = child;
    child.on("message", (news: TapNews) => {
      this.onNews(instance.name, news);
    });
    child.send({ cuts: [], watch: this.order.watch } satisfies TapOrder);
    instance.up = true;
    this.sprayer.readmit(instance.name);
  }

  private spawn(
    program: string,
    args: readonly string[],
    environment: NodeJS.ProcessEnv,
  ): Promise<ChildProcess> {
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, ...args], {
      env: { ...this.environment, ...environment },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.children.add(child);
    child.once("exit", () => this.children.delete(child));
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => {
        child.kill("SIGKILL");
        reject(new Error(`${program} was not ready in time`));
      }, START_LIMIT_MS);
      child.once("message", () => {
        clearTimeout(limit);
        resolve(child);
      });
      child.once("exit", (code) => {
        clearTimeout(limit);
        reject(new Error(`${program} ended with ${String(code)}`));
      });
    });
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((done) => child.once("exit", done));
  child.kill("SIGKILL");
  await gone;
}
