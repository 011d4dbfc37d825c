import type { Logger } from "#common/log.ts";
import { buildResponse } from "#signaling/edge/message/build.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import {
  DEFAULT_LIMITS,
  parseMessage,
  type ParseFailure,
  type ParseLimits,
} from "#signaling/edge/message/parse.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import type { TransportCounters } from "./counters.ts";
import { responseFlow } from "./response-route.ts";
import type { Shedder } from "#signaling/edge/overload/shedder.ts";
import type { SourceGuard } from "./source-guard.ts";
import type { MessageHandler } from "./transport.ts";

export interface Ingress {
  /** Reads one message that a socket received. Never throws. */
  receive(text: string, flow: Flow): void;
  /** Notes what could not even be framed. */
  refuse(text: string, flow: Flow, status: number, reason: string): void;
  handler: MessageHandler | undefined;
  /** Looks at a message before it is parsed; everything is read when there is none. Sockets tell it what they read. */
  shedder: Pick<Shedder, "screen" | "noteRead"> | undefined;
}

/** What every socket does with a message: guard, parse, answer what is malformed, hand on what is not. */
export function createIngress(
  maxMessageBytes: number,
  guard: SourceGuard,
  scanners: readonly string[],
  counters: TransportCounters,
  answer: (flow: Flow, bytes: string) => void,
  log: Logger,
): Ingress {
  const limits: ParseLimits = { ...DEFAULT_LIMITS, maxMessageBytes };

  const refuse = (failure: ParseFailure, flow: Flow): void => {
    counters[failure.status === 513 ? "too-large" : "malformed"]++;
    guard.offended(flow, "malformed", "");
    log.debug({ reason: failure.reason, host: flow.host, transport: flow.transport }, "malformed message");
    const reply = answerMalformed(failure);
    if (reply === undefined || failure.message === undefined) return;
    answer(responseFlow(failure.message, flow), reply);
  };

  const agents = scanners.map((agent) => agent.toLowerCase());
  /** Asked of requests that begin something, from those who have not proved who they are. */
  const isScanner = (message: SipMessage, flow: Flow): boolean => {
    if (message.kind !== "request" || message.to.tag !== undefined || guard.isProved(flow)) return false;
    const agent = message.header("user-agent")?.toLowerCase();
    return agent !== undefined && agents.some((beginning) => agent.startsWith(beginning));
  };

  return {
    handler: undefined,
    shedder: undefined,
    receive(text, flow) {
      try {
        const verdict = guard.admit(flow);
        if (verdict !== "read") {
          counters[verdict]++;
          return;
        }
        counters.received++;
        const screened = this.shedder?.screen(text, flow) ?? "read";
        if (screened !== "read") {
          counters.shed++;
          if (screened !== "drop") answer(flow, screened.answer);
          return;
        }
        const stream = flow.transport === "tcp" || flow.transport === "tls";
        const result = parseMessage(text, { limits, stream, source: flow });
        if (!result.ok) refuse(result, flow);
        else {
          const scanner = isScanner(result.message, flow);
          if (scanner) {
            counters.scanner++;
            guard.offended(flow, "scanner", "");
          }
          // A carrier passes on what its customers call themselves: its calls are answered all the same.
          if (!scanner || guard.isTrusted(flow)) this.handler?.(result.message, flow);
        }
      } catch (error) {
        counters["handler-failed"]++;
        log.error(
          { error: String(error), stack: error instanceof Error ? error.stack : undefined },
          "message handler failed",
        );
      }
    },
    refuse(text, flow, status, reason) {
      try {
        const result = parseMessage(text, { limits, source: flow });
        refuse({ ok: false, status, reason, ...(result.message ? { message: result.message } : {}) }, flow);
      } catch (error) {
        log.error({ error: String(error) }, "malformed message not refused");
      }
    },
  };
}

/** Its number may be too large to be one; without a number and a method nobody knows what is answered. */
const CSEQ = /^\d+[ \t]+[A-Za-z0-9\-.!%*_+`'~]+$/;

/** False for what is not there, and for what no header of ours may hold: a response repeats it as it is. */
function isRepeatable(value: string | undefined): boolean {
  if (value === undefined || value === "") return false;
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) return false;
  }
  return true;
}

/**
 * The response to a malformed request, when enough of it can be read: a Via to send it to, and the headers that a response
 * must copy. An ACK is never answered, nor is a response (RFC 3261 §17.1.1.1, §18.1.2).
 */
export function answerMalformed(failure: ParseFailure): string | undefined {
  const { message } = failure;
  if (message?.kind !== "request" || message.method === "ACK") return undefined;
  if (["from", "to", "call-id", "cseq"].some((name) => !isRepeatable(message.header(name)))) return undefined;
  if (!message.headers("via").every(isRepeatable) || !CSEQ.test(message.header("cseq") ?? ""))
    return undefined;
  try {
    // The response is sent where its top Via says.
    return message.topVia.host === ""
      ? undefined
      : buildResponse(message, { status: failure.status, reason: failure.reason });
  } catch {
    return undefined;
  }
}
