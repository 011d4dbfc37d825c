import { randomBytes } from "node:crypto";
import { formatSip, parameterOf, parseSip, requiredValue, summaryOf, valueOf, valuesOf } from "./sip-text.ts";
import type { SipMessage, SipRequest, SipResponse } from "./sip-text.ts";
import type { SipTransport } from "./sip-transport.ts";

export const token = (): string => randomBytes(8).toString("hex");
export const newBranch = (): string => `z9hG4bK${token()}`;

/** A request before the transaction layer puts its Via on. */
export type NewRequest = Omit<SipRequest, "kind"> & {
  /** Names the transaction: a CANCEL takes its INVITE's. Otherwise a new one is made. */
  readonly branch?: string;
};
export interface Destination {
  readonly host: string;
  readonly port: number;
}

export interface RequestOptions {
  readonly to: Destination;
  readonly deadlineMs?: number;
  readonly onProvisional?: (response: SipResponse) => void;
  /** A final response that came again: the ACK was lost, or a fork answered too. */
  readonly onFinalAgain?: (response: SipResponse) => void;
}

interface ClientTransaction {
  readonly request: SipRequest;
  respond(response: SipResponse): void;
  /** Sends the request again, if nothing at all was said to it. */
  repeat(branch: "same" | "new"): void;
}

/** RFC 3261 §17.1.1.1 */
const T1_MS = 500;
const T2_MS = 4_000;
const REMEMBER = 2_000;

/** Transactions of one phone: retransmission, matching, ACK to failures, and the same answer to a repeated request. */
export class SipEndpoint {
  /** May be replaced: transactions live on over a new connection. */
  transport: SipTransport;
  /** What was said, newest last: for the text of errors and for assertions. */
  readonly trace: string[] = [];
  /** Every message received that could not be read. */
  readonly unreadable: string[] = [];
  /** Requests that came again and were answered from memory. */
  repeats = 0;
  onRequest: (request: SipRequest) => void = () => undefined;
  /** Told of every message as it is on the wire. */
  onWire: (text: string, direction: "in" | "out") => void = () => undefined;
  readonly #clients = new Map<string, ClientTransaction>();
  readonly #answers = new Map<string, { text: string; to: Destination }>();
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Branches of requests that were sent again under another, with that one. */
  readonly #renamed = new Map<string, string>();
  readonly #server: Destination;

  constructor(transport: SipTransport, server: Destination) {
    this.transport = transport;
    this.#server = server;
  }

  /** Hand it each message of the transport. */
  receive(text: string): void {
    this.onWire(text, "in");
    let message: SipMessage;
    try {
      message = parseSip(text);
      this.#note("<", message);
      if (message.kind === "response") {
        const via = requiredValue(message, "via");
        const method = requiredValue(message, "cseq").split(/\s+/)[1] ?? "";
        this.#clients.get(`${parameterOf(via, "branch") ?? ""} ${method}`)?.respond(message);
        return;
      }
    } catch {
      this.unreadable.push(text);
      return;
    }
    // RFC 3261 §17.2.1: a repeated request gets the last answer again, and reaches nobody.
    const answered = this.#answers.get(keyOf(message));
    if (answered) {
      this.repeats++;
      if (answered.text !== "") this.#send(answered.text, answered.to);
      return;
    }
    if (message.method !== "ACK") this.#remember(message, "");
    this.onRequest(message);
  }

  /** Sends a request and waits for its final response; failures of an INVITE are acknowledged here. */
  request(draft: NewRequest, options: RequestOptions): Promise<SipResponse> {
    let branch = draft.branch ?? newBranch();
    branch = this.#renamed.get(branch) ?? branch;
    // RFC 3261 §9.1: a CANCEL has the Via of its INVITE, whatever connection it goes by.
    const cancelled = draft.method === "CANCEL" ? this.#clients.get(`${branch} INVITE`)?.request : undefined;
    let request = this.#withVia(draft, branch, cancelled && requiredValue(cancelled, "via"));
    let text = formatSip(request);
    const { deadlineMs = 8_000, to } = options;
    return new Promise((resolve, reject) => {
      let [done, heard, intervalMs] = [false, false, T1_MS];
      let resend: NodeJS.Timeout | undefined;
      const again = () => {
        this.#send(text, to);
        intervalMs = draft.method === "INVITE" ? intervalMs * 2 : Math.min(intervalMs * 2, T2_MS);
        resend = this.#after(intervalMs, again);
      };
      const deadline = this.#after(deadlineMs, () => {
        this.#forget(resend);
        if (done) return;
        done = true;
        reject(
          new Error(`no final response to ${summaryOf(request)} within ${deadlineMs} ms\n${this.recent()}`),
        );
      });
      const transaction: ClientTransaction = {
        get request() {
          return request;
        },
        respond: (response) => {
          heard = true;
          this.#forget(resend);
          if (response.status < 200) {
            options.onProvisional?.(response);
            return;
          }
          if (draft.method === "INVITE" && response.status >= 300)
            this.#acknowledgeFailure(request, response, to);
          if (done) {
            options.onFinalAgain?.(response);
            return;
          }
          done = true;
          this.#forget(deadline);
          resolve(response);
        },
        repeat: (way) => {
          if (done || heard) return;
          if (way === "new" && draft.method !== "CANCEL") {
            const before = branch;
            branch = newBranch();
            keep(this.#renamed, before, branch);
            request = this.#withVia(draft, branch);
            text = formatSip(request);
            this.#await(branch, draft.method, transaction);
          }
          this.#note(">", request);
          this.#send(text, to);
        },
      };
      this.#await(branch, draft.method, transaction);
      this.#note(">", request);
      this.#send(text, to);
      if (this.transport.protocol === "UDP") resend = this.#after(T1_MS, again);
    });
  }

  /**
   * Over a new connection, sends what was sent over the lost one and was not answered at all, be it the very same bytes or,
   * by RFC 3263 §4.3, the same request as a new transaction. What got a provisional response waits for its final one.
   */
  repeatUnanswered(branch: "same" | "new"): void {
    for (const transaction of new Set(this.#clients.values())) transaction.repeat(branch);
  }

  /** Sends a request that has no response of its own: ACK. Returns the text, to send it again. */
  sendOnly(draft: NewRequest, to: Destination): string {
    const request = this.#withVia(draft, newBranch());
    this.#note(">", request);
    const text = formatSip(request);
    this.#send(text, to);
    return text;
  }

  /** Answers a request; the answer is kept and repeated when the request is. */
  respond(
    request: SipRequest,
    status: number,
    reason: string,
    extra: readonly (readonly [string, string])[] = [],
    body = "",
  ): string {
    const copied = ["Via", "Record-Route", "From", "Call-ID", "CSeq"].flatMap((name) =>
      valuesOf(request, name).map((value) => [name, value] as const),
    );
    const tag = extra.find(([name]) => name === "To");
    const headers = [...copied, ...(tag ? [] : [["To", requiredValue(request, "to")] as const]), ...extra];
    const response: SipResponse = { kind: "response", status, reason, headers, body };
    const text = formatSip(response);
    this.#note(">", response);
    this.#remember(request, text);
    this.#send(text, this.#replyTo(request));
    return text;
  }

  /** Sends bytes as they are. */
  sendRaw(data: string | Uint8Array, to: Destination = this.#server): void {
    this.#send(data, to);
  }

  /** The last messages, one a line. */
  recent(): string {
    return this.trace.slice(-12).join("\n");
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.transport.close();
  }

  #send(data: string | Uint8Array, to: Destination): void {
    if (typeof data === "string") this.onWire(data, "out");
    this.transport.send(data, to);
  }

  #await(branch: string, method: string, transaction: ClientTransaction): void {
    keep(this.#clients, `${branch} ${method}`, transaction);
  }

  #withVia(draft: NewRequest, branch: string, via = this.#viaOf(branch)): SipRequest {
    const { method, uri, body } = draft;
    return {
      kind: "request",
      method,
      uri,
      body,
      headers: [["Via", via], ["Max-Forwards", "70"], ...draft.headers],
    };
  }

  #viaOf(branch: string): string {
    const { protocol, host, port } = this.transport;
    const address = `${host.includes(":") ? `[${host}]` : host}${port === 0 ? "" : `:${port}`}`;
    return `SIP/2.0/${protocol} ${address};branch=${branch};rport`;
  }

  /** RFC 3261 §17.1.1.3: same branch, To of the response. */
  #acknowledgeFailure(invite: SipRequest, response: SipResponse, to: Destination): void {
    const keep = new Set(["via", "max-forwards", "from", "call-id", "route"]);
    const kept = invite.headers.filter(([name]) => keep.has(name.toLowerCase()));
    const cseq = requiredValue(invite, "cseq").replace("INVITE", "ACK");
    const ack: SipRequest = {
      kind: "request",
      method: "ACK",
      uri: invite.uri,
      headers: [...kept, ["To", requiredValue(response, "to")], ["CSeq", cseq]],
      body: "",
    };
    this.#send(formatSip(ack), to);
  }

  #remember(request: SipRequest, text: string): void {
    keep(this.#answers, keyOf(request), { text, to: this.#replyTo(request) });
  }

  /** RFC 3261 §18.2.2, RFC 3581 */
  #replyTo(request: SipRequest): Destination {
    const via = requiredValue(request, "via");
    const sentBy = /SIP\/2\.0\/\S+\s+(\[[^\]]+\]|[^:;\s]+)(?::(\d+))?/.exec(via);
    return {
      host: parameterOf(via, "received") ?? sentBy?.[1] ?? this.#server.host,
      port: Number(sentBy?.[2] ?? 5060),
    };
  }

  #note(direction: "<" | ">", message: SipMessage): void {
    this.trace.push(`${direction} ${summaryOf(message)} [${valueOf(message, "cseq") ?? "?"}]`);
    if (this.trace.length > 500) this.trace.shift();
  }

  #after(ms: number, task: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      task();
    }, ms);
    this.#timers.add(timer);
    return timer;
  }

  #forget(timer: NodeJS.Timeout | undefined): void {
    if (!timer) return;
    clearTimeout(timer);
    this.#timers.delete(timer);
  }
}

/** Notes an entry; the oldest goes when there are too many. */
function keep<V>(entries: Map<string, V>, key: string, value: V): void {
  if (entries.size >= REMEMBER && !entries.has(key)) entries.delete(entries.keys().next().value ?? "");
  entries.set(key, value);
}

function keyOf(request: SipRequest): string {
  const via = valueOf(request, "via") ?? "";
  return `${parameterOf(via, "branch") ?? ""} ${request.method}`;
}
