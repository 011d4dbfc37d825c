import type { Logger } from "#common/log.ts";
import { parseAddress } from "#signaling/edge/message/address.ts";
import { parseUri } from "#signaling/edge/message/uri.ts";
import type { CallId, Flow, Registration } from "#signaling/sip-port/sip-port.ts";
import type { CallRunner, Told } from "./call-runner.ts";
import type { Draft, Follow, Outgoing } from "./draft.ts";
import { isSame, moveLeg } from "./follow.ts";
import { noteFollower } from "./followers.ts";
import { legOfTxn, parseLegId } from "./ids.ts";
import type { EdgeMetrics } from "./metrics.ts";
import type { ClientTxn, LegRecord } from "./record.ts";
import type { ServerFlows } from "./server-flows.ts";
import { transportFailed } from "./wake.ts";

/** Where the clients of registrations are. */
export interface Whereabouts {
  /**
   * The flows that a registered client may be reached by now, best first: that of the registration itself, then those of the
   * same device (RFC 5626 §5.3). `contact` finds a client whose registration is not known by the contact it gave.
   */
  flowsOf(
    registration: Registration | { readonly user: string; readonly contact: string },
  ): Promise<readonly Flow[]>;
  /** Notes or strikes legs, so that the next REGISTER of their user finds them. */
  note(follow: Follow): Promise<void>;
}

export interface LostFlowsOptions {
  readonly runner: Pick<CallRunner, "run">;
  readonly whereabouts: Whereabouts;
  /** Those that can be connected to. */
  readonly servers: Pick<ServerFlows, "reconnect">;
  readonly metrics: Pick<EdgeMetrics, "flow">;
  readonly log: Logger;
}

/** A request to a device whose process has just died waits for it to come back for so long, in ms. */
const RETURN_MS = 4_000;
/** A datagram that was repeated for so long without an answer may go to a port that its translator has closed, in ms. */
const SILENCE_MS = 1_400;

/**
 * What becomes of a message whose connection is gone. The registration says, in one read, whether its client is back already or
 * has another flow; if not, its leg is noted there, so that the client's return finds it, be it that whoever should have done
 * so has died before. A request in a dialog, and one that the client was seen to ring for, then stays unanswered until the
 * client registers again, or its transaction ends (timers B and F): then 408. Any other fails at once with 503, but for one
 * whose process died under it: all of its clients are on their way back, so it waits a little.
 */
export class LostFlows {
  private readonly options: LostFlowsOptions;

  constructor(options: LostFlowsOptions) {
    this.options = options;
  }

  /** A message could not be sent. */
  async failed(call: CallId, message: Outgoing, ownerGone: boolean): Promise<void> {
    if (await this.options.servers.reconnect(call, message)) return;
    const id = message.txn ?? message.of;
    const number = parseLegId(legOfTxn(id ?? "") ?? "")?.number;
    if (id === undefined || number === undefined) return;
    const registration = await this.noteLeg(call, number, message.flow);
    const flow = registration && (await this.elsewhere(registration, message.flow));
    if (flow) {
      this.options.metrics.flow("moved");
      await this.move(call, number, message.flow, flow);
      return;
    }
    const { txn } = message;
    if (txn === undefined) {
      if (registration) this.options.metrics.flow("awaited");
      return;
    }
    let outcome: "awaited" | "failed" = "failed";
    await this.options.runner.run({
      call,
      read: "cached",
      decide(draft) {
        const found = find(draft, txn);
        const heard = found && isHeard(found.leg, found.txn);
        outcome = found && registration && (heard || ownerGone) ? "awaited" : "failed";
        if (!found || outcome === "failed") return found && fail(draft, found.number, txn);
        if (!heard) waitFor(draft, found);
        return undefined;
      },
    });
    this.options.metrics.flow(outcome);
  }

  /** A request over UDP stays unanswered: see `silentIn`. */
  async silent(call: CallId, { number, flow, ...client }: Silent): Promise<void> {
    const next = await this.elsewhere(client, flow);
    if (!next) return;
    this.options.metrics.flow("moved");
    await this.move(call, number, flow, next);
  }

  /**
   * The registration that a leg follows, if any. It is noted there before the registration is read: of a REGISTER that comes
   * meanwhile either we see the flow, or it sees the leg.
   */
  private async noteLeg(call: CallId, number: number, lost: Flow): Promise<Registration | undefined> {
    let registration: Registration | undefined;
    await this.options.runner.run({
      call,
      read: "cached",
      decide(draft) {
        const leg = draft.leg(number);
        registration = leg?.registration;
        if (registration && leg?.dialog && isSame(leg.dialog.flow, lost))
          noteFollower(draft, number, registration);
        return undefined;
      },
    });
    return registration;
  }

  private async elsewhere(
    client: Parameters<Whereabouts["flowsOf"]>[0],
    lost: Flow,
  ): Promise<Flow | undefined> {
    try {
      return (await this.options.whereabouts.flowsOf(client)).find((flow) => !isSame(flow, lost));
    } catch (error) {
      this.options.log.warn({ error: String(error) }, "registration not read");
      return undefined;
    }
  }

  /** Has a leg follow its client; one that another step has moved meanwhile stays. */
  private async move(call: CallId, number: number, lost: Flow, flow: Flow): Promise<void> {
    await this.options.runner.run({
      call,
      read: "cached",
      decide(draft) {
        const leg = draft.leg(number);
        if (!leg?.dialog || !isSame(leg.dialog.flow, lost)) return undefined;
        moveLeg(draft, number, flow);
        if (leg.registration) noteFollower(draft, number, leg.registration);
        return undefined;
      },
    });
  }
}

/** A request in a dialog that was repeated over UDP without an answer. */
export interface Silent {
  readonly number: number;
  readonly user: string;
  readonly contact: string;
  readonly flow: Flow;
}

/**
 * The requests that a step has repeated over UDP to a client behind an address translator. When it has another port there by
 * now, its registration knows (RFC 5626 §4.2): nothing else would say so before the request times out.
 */
export function silentIn(draft: Draft): Silent[] {
  const list: Silent[] = [];
  for (const { txn, flow, retransmission } of draft.outgoing) {
    if (retransmission !== true || txn === undefined || flow.transport !== "udp") continue;
    const found = find(draft, txn);
    if (!found || !isHeard(found.leg, found.txn) || !("sinceMs" in found.txn.state)) continue;
    const { target, remote = "" } = found.leg.dialog ?? {};
    const user = parseAddress(remote)?.uri.user;
    if (target === undefined || user === undefined || parseUri(target)?.host === flow.host) continue;
    if (draft.context.nowMs - found.txn.state.sinceMs >= SILENCE_MS)
      list.push({ number: found.number, user, contact: target, flow });
  }
  return list;
}

interface Found {
  readonly number: number;
  readonly leg: LegRecord;
  readonly txn: ClientTxn;
}

function find(draft: Draft, id: string): Found | undefined {
  for (const [number, leg] of Object.entries(draft.record.legs)) {
    const txn = leg.clients.find((client) => client.id === id);
    if (txn) return { number: Number(number), leg, txn };
  }
  return undefined;
}

/** The peer has been in this dialog, or is known to have the request. */
const isHeard = ({ dialog }: LegRecord, { state }: ClientTxn): boolean =>
  dialog?.remoteTag !== undefined || state.name === "proceeding" || state.name === "cancelling";

/** Leaves a request that nobody has heard of unanswered, for a short time. */
function waitFor(draft: Draft, { number, txn }: Found): void {
  if (txn.patientUntilMs !== undefined) return;
  draft.putClient(number, { ...txn, lost: true, patientUntilMs: draft.context.nowMs + RETURN_MS });
}

function fail(draft: Draft, number: number, txn: string): Told | undefined {
  const event = transportFailed(draft, number, txn);
  return event && { event };
}
