import { randomUUID } from "node:crypto";
import { createPhone, type Phone } from "#test/peers/sip-phone/phone.ts";
import type { Cluster, Instance } from "./cluster.ts";
import { delay } from "./delay.ts";
import { readPacket } from "./packet.ts";
import type { Transport } from "./transports.ts";

/** Phones live here, so that the sprayer's side of them is another address: they are behind a translator, as most are. */
const PEER_HOST = "127.0.1.1";
const EXPIRES_S = 3_600;
/** An instance that does not take a connection, or a registration, for so long is given up for another, in ms. */
const CONNECT_MS = 1_500;
const REGISTER_MS = 3_000;
/** Pause before the next try, in ms. */
const AGAIN_MS = 50;

/** How a client goes on with requests that its lost connection left without any answer. */
export type Habit =
  /** Sends the very bytes again. */
  | "repeats"
  /** Makes a new transaction of the same request, as for the next server of a list (RFC 3263 §4.3). */
  | "tries anew";

export interface LineOptions {
  readonly cluster: Cluster;
  readonly transport: Transport;
  readonly domain: string;
  readonly user: string;
  readonly password: string;
  readonly habit?: Habit;
}

/** A phone, whatever becomes of its connection. */
export interface Station {
  readonly phone: Phone;
  readonly transport: Transport;
}

/** A time without a connection. */
interface Outage {
  readonly lostMs: number;
  connectedMs?: number;
}

/**
 * A phone with its way to the cluster. Over a connection it meets one instance, which a balancer in front picked at random.
 * When that dies the phone connects to another at once, registers there under the same `+sip.instance` (RFC 5626), and goes
 * on with what was unanswered.
 */
export class Line implements Station {
  readonly phone: Phone;
  private readonly options: LineOptions;
  private instance: Instance | undefined;
  private readonly outages: Outage[] = [];
  private restoring: Promise<void> | undefined;
  /** Settled when the connection that the phone has now is lost. */
  private loss = Promise.withResolvers<undefined>();
  private isLost = false;
  private closed = false;

  private constructor(options: LineOptions, phone: Phone, instance: Instance | undefined) {
    this.options = options;
    this.phone = phone;
    this.instance = instance;
    phone.onLost = () => { this.lost(); }; // prettier-ignore
    if (options.transport !== "udp") phone.endpoint.onWire = (text, way) => { this.saw(text, way === "out"); }; // prettier-ignore
  }

  /** Connects and registers. */
  static async open(options: LineOptions): Promise<Line> {
    const line = await Line.connect(options);
    await line.phone.register({ expires: EXPIRES_S });
    return line;
  }

  /** Connects, and says nothing by itself. */
  private static async connect(options: LineOptions): Promise<Line> {
    const { cluster, transport, domain, user, password } = options;
    const instance = anyOf(cluster.up);
    if (!instance) throw new Error("no instance is up");
    const phone = await createPhone({
      server: cluster.addressOf(transport, instance), domain, user, password, transport, host: PEER_HOST,
      ...(transport !== "udp" && { device: `urn:uuid:${randomUUID()}` }),
    }); // prettier-ignore
    return new Line(options, phone, transport === "udp" ? undefined : instance);
  }

  get user(): string {
    return this.options.user;
  }
  get transport(): Transport {
    return this.options.transport;
  }

  /** Has the phone connected to this instance; over UDP there is nothing to do. */
  async moveTo(instance: Instance): Promise<void> {
    await this.ready();
    if (this.transport === "udp" || this.instance === instance) return;
    try {
      await this.connectTo(instance);
      await this.register();
    } catch {
      this.lost();
      await this.ready();
    }
  }

  /** Resolves when the phone is registered over a connection that stands. */
  async ready(): Promise<void> {
    while (this.restoring) await this.restoring;
  }

  /** How long the phone had no connection since then, in ms. */
  awaySince(atMs: number): number {
    const now = Date.now();
    return this.outages
      .filter(({ lostMs }) => lostMs >= atMs)
      .reduce((sum, { lostMs, connectedMs = now }) => sum + connectedMs - lostMs, 0);
  }

  close(): void {
    this.closed = true;
    this.loss.resolve(undefined);
    this.phone.close();
  }

  private lost(): void {
    this.isLost = true;
    this.loss.resolve(undefined);
    if (this.restoring || this.closed) return;
    this.restoring = this.restore().finally(() => {
      this.restoring = undefined;
      if (this.isLost) this.lost();
    });
  }

  private async restore(): Promise<void> {
    const outage: Outage = { lostMs: Date.now() };
    this.outages.push(outage);
    if (this.outages.length > 100) this.outages.shift();
    while (!this.closed) {
      try {
        const { up } = this.options.cluster;
        const next = anyOf(up.filter((one) => one !== this.instance)) ?? this.instance;
        if (next) await this.connectTo(next);
        outage.connectedMs = Date.now();
        await this.register();
        break;
      } catch {
        await delay(AGAIN_MS);
      }
    }
    this.phone.endpoint.repeatUnanswered(this.options.habit === "tries anew" ? "new" : "same");
  }

  private register(): Promise<void> {
    return within(REGISTER_MS, this.phone.register({ expires: EXPIRES_S }), this.loss.promise);
  }

  private async connectTo(instance: Instance): Promise<void> {
    this.isLost = false;
    this.loss = Promise.withResolvers();
    this.instance = instance;
    await within(CONNECT_MS, this.phone.reconnect(this.options.cluster.addressOf(this.transport, instance)));
    if (this.closed) this.phone.close();
  }

  private saw(text: string, inbound: boolean): void {
    const packet = readPacket(text);
    if (!packet) return;
    const { name, up } = this.instance ?? { name: "?", up: true };
    this.options.cluster.onSeen({ atMs: Date.now(), packet, inbound, instance: name, lost: inbound && !up });
  }
}

/** A phone that has no call, so far as it knows. */
export function refuseAll({ endpoint }: Phone): void {
  endpoint.onRequest = (request) => {
    if (request.method !== "ACK") endpoint.respond(request, 481, "Call/Transaction Does Not Exist");
  };
}

const anyOf = <T>(list: readonly T[]): T | undefined => list[Math.floor(Math.random() * list.length)];

/** @throws Error when it takes longer, or `off` happens first */
async function within(limitMs: number, wanted: Promise<unknown>, off?: Promise<undefined>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const failed = new Promise<never>((_resolve, reject) => {
    const fail = (): void => { reject(new Error("not in time")); }; // prettier-ignore
    timer = setTimeout(fail, limitMs);
    void off?.then(fail);
  });
  try {
    await Promise.race([wanted, failed]);
  } finally {
    clearTimeout(timer);
    // Whichever comes too late is nobody's business.
    wanted.catch(() => undefined);
    failed.catch(() => undefined);
  }
}
