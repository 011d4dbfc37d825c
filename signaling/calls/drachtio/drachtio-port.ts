import type { Logger } from "#common/log.ts";
import { controlDueKeys } from "#state/call/call.keys.ts";
import { forgetDue } from "#state/call/forget-due.ts";
import { knownInstances } from "#state/instance/instance.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { Sweeper } from "#signaling/edge/engine/sweeper.ts";
import type {
  CallId,
  SipCommand,
  SipEvent,
  SipHandler,
  SipPort,
  Step,
} from "#signaling/sip-port/sip-port.ts";
import { createAccountRequests } from "./account-requests.ts";
import { encodeCommand, type Encodable } from "./command-frame.codec.ts";
import { impatientIn, patienceOf, runStep, type ControlRecord } from "./control-step.ts";
import { createLegNames } from "./leg-names.ts";
import { localFailure } from "./local-failure.ts";
import { connectSrf } from "./srf-connection.ts";
import { callOf, toEvent } from "./to-event.ts";

export interface DrachtioPortOptions {
  /** `drachtio://host:port`. */
  readonly server: string;
  readonly secret: string;
  readonly instance: string;
  readonly redis: RedisConnection;
  readonly log: Logger;
  readonly now?: () => number;
}

export interface DrachtioPort extends SipPort {
  /** Resolves when the server has accepted us. */
  readonly ready: Promise<void>;
}

const METHODS = [
  "invite",
  "register",
  "options",
  "message",
  "subscribe",
  "publish",
  "notify",
  "refer",
  "info",
  "bye",
  "update",
  "prack",
  "ack",
  "cancel",
];
/** Events of one call that wait for their turn. */
const MAX_WAITING = 64;

type Work = (step: Step, before: ControlRecord | undefined) => Promise<void>;

/**
 * The SIP port over a remote drachtio server. With our own edge every id names its leg, and the edge hands an INVITE whose
 * process is gone to another one; with a stock drachtio-server calls in progress are lost with the process that has them.
 */
export function openDrachtioPort(options: DrachtioPortOptions): DrachtioPort {
  const { instance, redis, log, now = Date.now } = options;
  const names = createLegNames();
  const accountRequests = createAccountRequests();
  const queues = new Map<CallId, { tail: Promise<void>; waiting: number }>();
  const timers = new Map<CallId, NodeJS.Timeout>();
  let handler: SipHandler | undefined;
  let closed = false;
  const [host = "", port = ""] = options.server.replace(/^drachtio:\/\//, "").split(/:(?=\d+$)/);
  const connection = connectSrf(
    { host, port: Number(port), secret: options.secret, methods: METHODS },
    (frame) => {
      const event = toEvent(frame, names);
      if (event) onEvent(withChallenge(event));
      else log.debug({ txn: frame.txn }, "frame of no call of ours");
    },
    log,
  );
  const sweeper = new Sweeper({
    instance,
    redis,
    log,
    metrics: { redisRoundTrip: () => undefined, dueLag: () => undefined },
    listInstances: () => knownInstances(redis),
    adopt,
    now,
    sets: controlDueKeys,
  });

  function onEvent(event: SipEvent): void {
    const isNew = event.type === "request" && !event.dialog;
    start(callOf(event.leg), async (step, before) => {
      // The server gives us a request that another process had: what that one decided is in the record.
      if (isNew && before && before.worker !== instance) {
        step.save(before.state);
        await handler?.recover(step);
        return;
      }
      // Whoever asks who we are has been heard, but what answers it is still to be.
      if (event.type === "response" && !event.challenged) {
        const patience = patienceOf(event.leg, event.method);
        if (before?.timers[patience] !== undefined) step.timer(patience, undefined);
      }
      await handler?.onEvent(event, step);
    });
  }

  /** Runs a step behind those before it on the same call, then sends what it decided. */
  async function run(call: CallId, work: Work): Promise<void> {
    const queue = queues.get(call) ?? { tail: Promise.resolve(), waiting: 0 };
    queues.set(call, queue);
    if (queue.waiting >= MAX_WAITING) throw new Error("too many events wait for one call");
    queue.waiting++;
    const turn = queue.tail.then(async () => {
      const { commands, effects, record, accounts } = await runStep(redis, call, instance, work);
      accountRequests.know(accounts());
      arm(call, record?.worker === instance ? record : undefined);
      for (const command of commands) execute(command);
      for (const effect of effects) effect();
    });
    queue.tail = turn.catch(() => undefined);
    try {
      await turn;
    } finally {
      if (--queue.waiting === 0) queues.delete(call);
    }
  }

  function start(call: CallId, work: Work): void {
    run(call, work).catch((error: unknown) => {
      log.warn({ error: String(error), call }, "step not done");
    });
  }

  function withChallenge(event: SipEvent): SipEvent {
    const challenged = event.type === "response" ? accountRequests.challengedBy(event) : undefined;
    return event.type === "response" && challenged ? { ...event, challenged } : event;
  }

  function execute(given: SipCommand): void {
    if (given.type === "follow" || given.type === "account") return;
    const command = given.type === "authorize" ? accountRequests.again(given) : given;
    if (!command) return;
    const leg = command.type === "reply" ? undefined : command.leg;
    let frame: string;
    try {
      frame = encodeCommand(command, names);
    } catch (error) {
      log.error({ error: String(error), command: command.type }, "command not sent");
      fail(command, 500);
      return;
    }
    connection.send(frame).then(
      (reply) => {
        const method = "method" in command ? command.method : undefined;
        if (reply.ok && (command.type === "request" || command.type === "in-dialog"))
          accountRequests.keep(command, reply.txn, reply.text);
        if (reply.ok && leg !== undefined)
          names.learn(leg, { txn: reply.txn, ...(method === undefined ? {} : { method }) });
        else if (reply.ok && command.type === "reply") learnDialog(command.txn, reply.dialog);
        else if (!reply.ok) fail(command, command.type === "in-dialog" ? 481 : 503, reply.reason);
      },
      (error: unknown) => {
        fail(command, 503, String(error));
      },
    );
  }

  function learnDialog(txn: string, dialog: string): void {
    const leg = names.legOf(
      { type: "sip", source: "network", protocol: "", address: "", port: 0, txn, dialog: "", text: "" },
      false,
    );
    if (leg !== undefined) names.learn(leg, { dialog });
  }

  /** A request that the server refuses is told as a response of our own making; others are only noted. */
  function fail(command: Encodable, status: number, reason = ""): void {
    log.debug({ command: command.type, reason }, "server refused a command");
    if (command.type !== "request" && command.type !== "in-dialog") return;
    const event = localFailure(command, status);
    if (event) onEvent(event);
  }

  /** One timer in memory for the call's next deadline; the due set has it for when we are gone. */
  function arm(call: CallId, record: ControlRecord | undefined): void {
    clearTimeout(timers.get(call));
    timers.delete(call);
    const next = Math.min(...Object.values(record?.timers ?? {}));
    if (closed || !Number.isFinite(next)) return;
    timers.set(call, setTimeout(() => { fire(call); }, Math.max(0, next - now()))); // prettier-ignore
  }

  function fire(call: CallId): void {
    start(call, fireDue);
  }

  async function fireDue(step: Step, before: ControlRecord | undefined): Promise<void> {
    for (const [name, atMs] of Object.entries(before?.timers ?? {})) {
      if (atMs > now()) continue;
      step.timer(name, undefined);
      const silent = impatientIn(name);
      if (silent) await giveUp(step, silent);
      else await handler?.onTimer(name, step);
    }
  }

  /** The peer has said nothing at all: told as 408, and taken down should it be heard of after all. */
  async function giveUp(
    step: Step,
    silent: { readonly leg: string; readonly method: string },
  ): Promise<void> {
    const { leg, method } = silent;
    if (method === "INVITE") step.command({ type: "cancel", leg });
    const event = localFailure(silent, 408);
    if (event) await handler?.onEvent(event, step);
  }

  /**
   * Looks at a call that is overdue, or whose worker may have died: then it is ours from now on, and what it decided is done
   * again, for nobody knows which of it reached the server.
   */
  async function adopt(call: CallId, alive: (instance: string) => boolean): Promise<void> {
    await run(call, async (step, before) => {
      if (!before) {
        step.after(() => void forgetDue(redis, call, "control").catch(() => undefined));
        return;
      }
      if (!alive(before.worker)) {
        step.save(before.state);
        await handler?.recover(step);
      } else if (before.worker === instance) step.save(before.state); // due again a minute later
      await fireDue(step, before);
    });
  }

  return {
    ready: connection.ready,
    get busy() {
      return queues.size > 0 || connection.pending > 0;
    },
    handle(given) {
      handler = given;
    },
    begin: (callId, work) => run(callId, work),
    async close() {
      closed = true;
      await sweeper.close();
      for (const timer of timers.values()) clearTimeout(timer);
      timers.clear();
      connection.close();
    },
  };
}
