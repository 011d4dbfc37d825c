import { buildRequest, type HeaderList } from "#signaling/edge/message/build.ts";
import { headerKey } from "#signaling/edge/message/header-name.ts";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import type { Flow, Headers } from "#signaling/sip-port/sip-port.ts";
import { contactOf } from "./contact.ts";
import type { StepContext } from "./draft.ts";

/** Headers that call control may not set in a request: the edge owns them (RFC 3261 §8.1.1). */
const OWNED: ReadonlySet<string> = new Set(
  [
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Content-Length",
    "Content-Type",
    "Record-Route",
    "Max-Forwards",
  ].map((name) => name.toLowerCase()),
);
/** Requests that a dialog may come of, or that move its target, name where we are reached (§8.1.1.8, §12.2). */
const CONTACT_METHODS: ReadonlySet<string> = new Set([
  "INVITE",
  "SUBSCRIBE",
  "REFER",
  "UPDATE",
  "REGISTER",
  "NOTIFY",
]);
const MAX_FORWARDS = "70";

export interface RequestPlan {
  readonly method: string;
  readonly uri: string;
  readonly branch: string;
  readonly flow: Flow;
  readonly from: string;
  readonly to: string;
  readonly callId: string;
  readonly seq: number;
  readonly routes: readonly string[];
  readonly headers?: Headers | undefined;
  readonly body?: string | undefined;
  readonly contentType?: string | undefined;
  /** User part of our Contact. */
  readonly contactUser?: string | undefined;
}

/** Writes a request of ours: the same plan, the same bytes. */
export function writeRequest(context: StepContext, plan: RequestPlan): string {
  const given = plan.headers ?? [];
  const maxForwards = given.find(([name]) => headerKey(name) === "max-forwards")?.[1] ?? MAX_FORWARDS;
  const headers: HeaderList = [
    ["Via", viaOf(context, plan.flow, plan.branch)],
    ["Max-Forwards", maxForwards],
    ...plan.routes.map((route) => ["Route", route] as const),
    ["From", plan.from],
    ["To", plan.to],
    ["Call-ID", plan.callId],
    ["CSeq", `${plan.seq} ${plan.method}`],
    ...(CONTACT_METHODS.has(plan.method)
      ? ([["Contact", contactOf(context, plan.flow, plan.contactUser)]] as const)
      : []),
    ...given.filter(([name]) => !OWNED.has(headerKey(name))),
  ];
  return buildRequest({
    method: plan.method,
    uri: plan.uri,
    headers,
    body: plan.body,
    contentType: plan.contentType,
  });
}

/** Credentials in a request, by header. */
export const credentialsIn = (request: SipMessage): Headers =>
  ["Authorization", "Proxy-Authorization"].flatMap((name) =>
    request.headers(name).map((value) => [name, value] as const),
  );

/**
 * The CANCEL of an INVITE, or the ACK of its failure: what of it must be alike (§9.1, §17.1.1.3). Neither can be challenged;
 * an ACK repeats the credentials of its INVITE (§22.1).
 */
export function writeHopByHop(method: "CANCEL" | "ACK", invite: SipMessage, to?: string): string {
  const copied = (name: string) => invite.headers(name).map((value) => [name, value] as const);
  return buildRequest({
    method,
    uri: invite.uri,
    headers: [
      ["Via", invite.headers("via")[0] ?? ""],
      ["Max-Forwards", MAX_FORWARDS],
      ...copied("Route"),
      ["From", invite.header("from") ?? ""],
      ["To", to ?? invite.header("to") ?? ""],
      ["Call-ID", invite.callId],
      ["CSeq", `${invite.cseq.seq} ${method}`],
      ...(method === "ACK" ? credentialsIn(invite) : []),
    ],
  });
}

/** A request of ours, read back from the record. */
export function parseOwn(text: string): SipMessage | undefined {
  const parsed = parseMessage(text);
  return parsed.ok ? parsed.message : undefined;
}

/**
 * `rport` asks for the answer where we sent from (RFC 3581). Not when we speak for a cluster: what we sent from is this
 * instance, and the answer must reach another one when this one has died (RFC 3261 §18.2.2: without it the answer goes to
 * the port in Via). TCP and TLS do not need it.
 */
export function viaOf(context: StepContext, { transport }: Flow, branch: string): string {
  const rport = transport === "udp" && context.forCluster !== true ? ";rport" : "";
  return `SIP/2.0/${transport.toUpperCase()} ${context.advertised(transport)};branch=${branch}${rport}`;
}
