import { Registry } from "prom-client";
import { silent, type Logger } from "#common/log.ts";
import { Engine } from "#signaling/edge/engine/engine.ts";
import { createEdgeMetrics } from "#signaling/edge/engine/metrics.ts";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { MessageHandler } from "#signaling/edge/transport/transport.ts";
import type { SipHandler, SipPort } from "#signaling/sip-port/sip-port.ts";
import { DryStore } from "./dry-store.ts";
import { RehearsedCall, type Said, type Story } from "./rehearsed-call.ts";

/** Calls after which most of what a call needs is compiled: the first costs ten times as much as the last. */
const CALLS = 240;
/** Where the processor is short, whoever waits for this process has waited long enough by then, in ms. */
const LIMIT_MS = 2_000;
/** A rehearsed call that is not over after so many turns has met a fault. */
const MAX_TURNS = 40;
const STORIES: readonly Story[] = ["caller-hangs-up", "callee-hangs-up", "caller-hangs-up", "cancel"];

export interface Rehearsal {
  /** Calls that went all the way. */
  readonly completed: number;
  /** Detail records that they left. */
  readonly details: number;
  readonly ms: number;
}

export interface RehearsalOptions {
  readonly calls?: number;
  readonly limitMs?: number;
}

/**
 * Takes calls that nobody makes through a server like the one that is about to open, over no sockets and no Redis: the first
 * real callers are not to wait until this process has read and compiled its own code. On a busy machine they would be more
 * than it can serve until then.
 *
 * @param handlerOf call control over the given port
 */
export async function rehearse(
  handlerOf: (port: SipPort) => SipHandler,
  log: Logger,
  { calls = CALLS, limitMs = LIMIT_MS }: RehearsalOptions = {},
): Promise<Rehearsal> {
  const startedAt = performance.now();
  const stage = new Stage(handlerOf);
  const passed = (): number => Math.round(performance.now() - startedAt);
  let completed = 0;
  try {
    while (completed < calls && passed() < limitMs) {
      await stage.play(
        new RehearsedCall(`rehearsed${completed}`, STORIES[completed % STORIES.length] ?? "cancel"),
      );
      completed++;
    }
  } catch (error) {
    // Real calls may go well all the same, and cold.
    log.warn({ error: String(error), completed }, "rehearsal broken off");
  } finally {
    await stage.close();
  }
  const rehearsal = { completed, details: stage.details, ms: passed() };
  log.info(rehearsal, "rehearsed");
  return rehearsal;
}

/** An engine between two phones that are nowhere. */
class Stage {
  private readonly store = new DryStore();
  private readonly engine: Engine;
  private receive: MessageHandler = () => undefined;
  private heard: Said[] = [];

  constructor(handlerOf: (port: SipPort) => SipHandler) {
    this.engine = new Engine({
      instance: "rehearsal",
      secret: "rehearsal",
      redis: this.store,
      log: silent,
      metrics: createEdgeMetrics(new Registry()),
      whereabouts: { flowsOf: () => Promise.resolve([]), note: () => Promise.resolve() },
      session: { expiresSeconds: 1_800, minSeSeconds: 90 },
      // Nothing comes late here.
      ticker: { every: () => () => undefined },
      transports: {
        send: (flow, text) => {
          this.heard.push({ flow, text });
          return Promise.resolve();
        },
        onMessage: (handler) => {
          this.receive = handler;
        },
        onFlowClosed: () => undefined,
        resolve: () => Promise.resolve([]),
        forCluster: true,
        advertised: () => "rehearsal.invalid:5060",
      },
    });
    this.engine.handle(handlerOf(this.engine));
  }

  get details(): number {
    return this.store.details;
  }

  /** @throws when the call does not come to its end */
  async play(call: RehearsedCall): Promise<void> {
    this.say(call.begin());
    for (let turn = 0; turn < MAX_TURNS; turn++) {
      await new Promise((done) => setImmediate(done));
      if (call.over && this.heard.length === 0) return;
      for (const { flow, text } of this.heard.splice(0))
        for (const said of call.hear(read(text), flow)) this.say(said);
    }
    throw new Error("a rehearsed call did not end");
  }

  async close(): Promise<void> {
    await this.engine.close();
  }

  private say({ flow, text }: Said): void {
    const parsed = parseMessage(text, { source: flow });
    if (!parsed.ok) throw new Error(`a rehearsed message is malformed: ${parsed.reason}`);
    this.receive(parsed.message, flow);
  }
}

function read(text: string) {
  const parsed = parseMessage(text);
  if (!parsed.ok) throw new Error(`the server said what cannot be read: ${parsed.reason}`);
  return parsed.message;
}
