import { z } from "zod";
import type { Config } from "#common/config.ts";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { formatUri } from "#signaling/edge/message/uri.ts";
import type { Headers, Step, TxnId } from "#signaling/sip-port/sip-port.ts";
import type { WireContext } from "./context.ts";
import { ownerOfClient, type Delivery, type Target } from "./delivery.ts";
import { armAnswer, bodyOf } from "./pending.ts";
import type { RequestRouter } from "./wire-events.ts";
import { durationOf } from "./duration.ts";
import { proxyRequest } from "./wire-proxy.ts";
import { NEW_CALL, save, withoutPending, type PendingRequest, type WireState } from "./wire-state.ts";

/** How long the handler may take, in ms. */
const LOOKUP_MS = 3_000;
/** Lookups under way; beyond it requests are refused. */
const MAX_LOOKUPS = 500;
/** Longest answer that is read. */
const MAX_ANSWER_BYTES = 65_536;

const texts = z
  .union([z.string(), z.array(z.string())])
  .transform((value) => (Array.isArray(value) ? value : [value]));

/** What the handler may answer: as drachtio-server's `request-handler` takes it. */
const answerSchema = z.discriminatedUnion("action", [
  z.object({ action: z.literal("reject"), data: z.object({ status: z.int().min(300).max(699), reason: z.string().optional() }) }),
  z.object({ action: z.literal("redirect"), data: z.object({ contact: texts }) }),
  z.object({
    action: z.literal("proxy"),
    data: z.object({
      destination: texts,
      recordRoute: z.boolean().default(false),
      followRedirects: z.boolean().default(true),
      simultaneous: z.boolean().default(false),
      provisionalTimeout: z.string().default("5s"),
      finalTimeout: z.string().default("60s"),
    }),
  }),
  z.object({
    action: z.literal("route"),
    data: z.union([z.object({ uri: z.string() }), z.object({ tag: z.string() })]),
  }),
]); // prettier-ignore
export type HandlerAnswer = z.infer<typeof answerSchema>;

/** Undefined when it is no answer that the handler may give. */
export function parseAnswer(body: string): HandlerAnswer | undefined {
  try {
    return answerSchema.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
}

/** The query by which the handler is told of a request. */
export function queryOf(message: SipMessage, pending: Pick<PendingRequest, "source">): URLSearchParams {
  const { requestUri: uri, from, to } = message;
  return new URLSearchParams([
    ["method", message.method],
    ["domain", uri?.host ?? ""],
    ["protocol", pending.source.transport],
    ["source_address", pending.source.host],
    ["fromUser", from.uri.user ?? ""],
    ["toUser", to.uri.user ?? ""],
    ["uriUser", uri?.user ?? ""],
    ["contentType", message.contentType ?? ""],
    ["uri", uri ? formatUri(uri) : ""],
    ...(uri?.params ?? []),
  ]);
}

/**
 * Asks an HTTP server which application gets a new request, instead of going by the routes of those attached: the way of
 * `srf.listen`. Undefined when none is configured.
 */
export function createRequestHandler(
  context: WireContext,
  delivery: Delivery,
  config: Config["drachtio"],
): RequestRouter | undefined {
  const { requestHandler: handler, requestHandlerMethods: methods } = config;
  if (handler === undefined) return undefined;
  let underWay = 0;

  return {
    handles: (method) => methods.length === 0 || methods.includes(method),
    route(call, txn, pending) {
      if (underWay >= MAX_LOOKUPS) {
        delivery.refuse(call, txn, 503);
        return;
      }
      underWay++;
      void route(handler, call, txn, pending)
        .catch((error: unknown) => {
          context.log.warn({ error: String(error), call }, "request handler failed");
          delivery.refuse(call, txn, 500);
        })
        .finally(() => {
          underWay--;
        });
    },
  };

  async function route(url: string, call: string, txn: TxnId, pending: PendingRequest): Promise<void> {
    const answer = /^(?:tcp|tls):/.test(url)
      ? ({ action: "route", data: { uri: url } } as const)
      : await ask(url, pending);
    switch (answer?.action) {
      case undefined:
        throw new Error("request handler gave no valid answer");
      case "reject":
        await refuse(call, txn, answer.data.status, answer.data.reason);
        break;
      case "redirect": {
        const contacts = answer.data.contact.map((contact) => ["Contact", asAddress(contact)] as const);
        await refuse(call, txn, 302, undefined, contacts);
        break;
      }
      case "proxy": {
        const { destination, recordRoute, followRedirects, simultaneous, provisionalTimeout, finalTimeout } = answer.data; // prettier-ignore
        const provisionalMs = durationOf(provisionalTimeout);
        const finalMs = durationOf(finalTimeout);
        await proxyRequest(context, {
          txn,
          targets: destination.map((target) => (/^(?:sips?|tel):/i.test(target) ? target : `sip:${target}`)),
          recordRoute,
          followRedirects,
          parallel: simultaneous,
          ...(provisionalMs === undefined ? {} : { provisionalMs }),
          ...(finalMs === undefined ? {} : { finalMs }),
        });
        break;
      }
      case "route":
        await hand(call, txn, pending, await targetOf(answer.data, pending));
        break;
    }
  }

  async function ask(url: string, pending: PendingRequest): Promise<HandlerAnswer | undefined> {
    const parsed = parseMessage(pending.text);
    if (!parsed.ok) return undefined;
    const target = new URL(url);
    for (const [name, value] of queryOf(parsed.message, pending)) target.searchParams.append(name, value);
    const response = await fetch(target, {
      headers: { accept: "application/json" },
      signal: AbortSignal.timeout(LOOKUP_MS),
      redirect: "follow",
    });
    const body = await response.text();
    return response.ok && body.length <= MAX_ANSWER_BYTES ? parseAnswer(body) : undefined;
  }

  /** An application that cannot be reached, or a tag that nobody has: 480, as drachtio-server says. */
  async function targetOf(
    data: Extract<HandlerAnswer, { action: "route" }>["data"],
    pending: PendingRequest,
  ): Promise<Target | undefined> {
    if ("uri" in data) {
      const client = await context.connectTo(data.uri).catch(() => undefined);
      return client && { kind: "here", client };
    }
    const client = context.clients.next(pending.method.toLowerCase(), [data.tag]);
    if (client) return { kind: "here", client };
    return context.others().length > 0 ? { kind: "anywhere", tags: [data.tag] } : undefined;
  }

  async function hand(call: string, txn: TxnId, pending: PendingRequest, target: Target | undefined) {
    if (!target) {
      await refuse(call, txn, 480);
      return;
    }
    await context.port.begin(call, async (step) => {
      const state = (await step.load<WireState>()) ?? NEW_CALL;
      // Answered in the meantime: the caller has given up.
      if (state.pending[txn] === undefined) return;
      if (target.kind === "here")
        save(step, { ...state, owner: ownerOfClient(context.instance, target.client) });
      delivery.tell(step, target, pending.method.toLowerCase(), bodyOf(context, txn, pending), txn);
    });
  }

  function refuse(
    call: string,
    txn: TxnId,
    status: number,
    reason?: string,
    headers: Headers = [],
  ): Promise<void> {
    return context.port.begin(call, async (step: Step) => {
      const state = (await step.load<WireState>()) ?? NEW_CALL;
      step.command({ type: "reply", txn, status, headers, ...(reason === undefined ? {} : { reason }) });
      const next = withoutPending(state, txn);
      save(step, next);
      armAnswer(step, next.pending);
    });
  }
}

const asAddress = (contact: string): string => (contact.includes("<") ? contact : `<${contact}>`);
