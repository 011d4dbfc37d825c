import { LRUCache } from "lru-cache";
import type { Logger } from "#common/log.ts";
import type { SipUri } from "#signaling/edge/message/uri.ts";
import type { CallId, Flow } from "#signaling/sip-port/sip-port.ts";
import type { CallRunner } from "./call-runner.ts";
import type { Outgoing } from "./draft.ts";
import { isSame, moveLeg } from "./follow.ts";
import { parseLegId } from "./ids.ts";
import type { EdgeMetrics } from "./metrics.ts";
import type { CallRecord, LegRecord } from "./record.ts";
import { isPending } from "./schedule.ts";
import { resend } from "./send-request.ts";
import { wayBackOf } from "./way-back.ts";

export interface ServerFlowsOptions {
  readonly runner: Pick<CallRunner, "run">;
  readonly resolve: (uri: SipUri) => Promise<readonly Flow[]>;
  /** Records that are cached here. */
  readonly records: () => Iterable<CallRecord>;
  /** In whose name those are that this process works on. */
  readonly worker: () => string;
  readonly metrics: Pick<EdgeMetrics, "flow">;
  readonly log: Logger;
}

interface Waiting {
  readonly call: CallId;
  readonly txn: string;
  readonly message: Outgoing;
}

/** A request whose connection closes under it goes over a new one so often: a peer may close each time that it is sent. */
const MAX_TRIES = 3;
/** Requests whose tries are counted. */
const REMEMBERED = 10_000;

/**
 * Connections with peers of trunks. A client behind a lost connection must come back by itself; a server, which a leg with an
 * account leads to, is connected to again: what its connection does not carry any more goes over a new one, byte for byte.
 */
export class ServerFlows {
  private readonly options: ServerFlowsOptions;
  private readonly tries = new LRUCache<string, number>({ max: REMEMBERED });
  /** Names of connections that have closed in this turn: one look at the records serves all. */
  private gone: Set<string> | undefined;

  constructor(options: ServerFlowsOptions) {
    this.options = options;
  }

  /** A message could not be sent. False when its peer is none that can be connected to. */
  async reconnect(call: CallId, message: Outgoing): Promise<boolean> {
    const way = wayBackOf(message);
    const number = way && parseLegId(way.leg)?.number;
    if (!way || number === undefined) return false;
    const leg = await this.legOf(call, number);
    if (leg?.account === undefined) return false;
    // It may have connected anew by itself, and spoken.
    const known = leg.dialog && !isSame(leg.dialog.flow, message.flow) ? leg.dialog.flow : undefined;
    const [found] =
      "flow" in way.hop ? [way.hop.flow] : await this.options.resolve(way.hop.uri).catch(() => []);
    const flow = known ?? found;
    if (!flow) return false;
    this.options.metrics.flow("reconnected");
    await this.options.runner.run({
      call,
      read: "cached",
      decide(draft) {
        moveLeg(draft, number, flow, message.flow);
        // An ACK, and an answer of which nothing is kept, is in no transaction that has just sent it again.
        if (!draft.outgoing.some(({ text }) => text === message.text))
          draft.send({ ...message, flow, retransmission: true });
        return undefined;
      },
    });
    return true;
  }

  /**
   * A connection has closed. What was sent over it may have been lost in it, and over a stream nothing is repeated: requests
   * that wait for an answer go again.
   */
  closed(flow: Flow): void {
    if (flow.transport !== "tcp" && flow.transport !== "tls") return;
    if (!this.gone) {
      this.gone = new Set();
      setImmediate(() => {
        this.sendAgain().catch((error: unknown) => {
          this.options.log.warn({ error: String(error) }, "requests of a closed connection not sent again");
        });
      });
    }
    this.gone.add(flow.connection ?? "").add(remoteOf(flow));
  }

  private async sendAgain(): Promise<void> {
    const { gone = new Set() } = this;
    this.gone = undefined;
    const own = [...this.options.records()].filter(({ worker }) => worker === this.options.worker());
    for (const { call, txn, message } of own.flatMap((record) => waitingOver(record, gone))) {
      const tries = (this.tries.get(txn) ?? 0) + 1;
      this.tries.set(txn, tries);
      if (tries > MAX_TRIES || (await this.reconnect(call, message))) continue;
      // We had opened it: whoever sends opens another.
      await this.options.runner.run({
        call,
        read: "cached",
        decide(draft) {
          for (const leg of Object.values(draft.record.legs))
            for (const client of leg.clients)
              if (client.id === txn && isPending(client)) resend(draft, client);
          return undefined;
        },
      });
    }
  }

  private async legOf(call: CallId, number: number): Promise<LegRecord | undefined> {
    let leg: LegRecord | undefined;
    await this.options.runner.run({
      call,
      read: "cached",
      decide(draft) {
        leg = draft.leg(number);
        return undefined;
      },
    });
    return leg;
  }
}

/** Requests of trunks' legs that wait for an answer over connections that are gone: of the peer's making, or of ours. */
function waitingOver({ call, legs }: CallRecord, gone: ReadonlySet<string>): Waiting[] {
  const clients = Object.values(legs).flatMap((leg) => (leg.account === undefined ? [] : leg.clients));
  return clients
    .filter((txn) => isPending(txn) && gone.has(txn.flow.connection ?? remoteOf(txn.flow)))
    .map(({ id: txn, flow, request: text, method }) => ({
      call,
      txn,
      message: { flow, text, method, status: 0, txn },
    }));
}

const remoteOf = ({ transport, host, port }: Flow): string => `${transport} ${host} ${port}`;
