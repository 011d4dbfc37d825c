import { LRUCache } from "lru-cache";
import type { Challenged, LegId, NonceUse, SipCommand, SipEvent } from "#signaling/sip-port/sip-port.ts";

type Request = Extract<SipCommand, { type: "request" | "in-dialog" }>;
type Authorize = Extract<SipCommand, { type: "authorize" }>;
type Response = Extract<SipEvent, { type: "response" }>;

interface Sent {
  readonly command: Request;
  /** Request-URI as the server wrote it. */
  readonly uri: string;
  readonly repeated: number;
}

/** Legs and requests that are remembered. */
const REMEMBERED = 20_000;
const CREDENTIALS: ReadonlySet<string> = new Set(["authorization", "proxy-authorization"]);

/**
 * Requests to peers that know us by an account, as they were sent: the server's protocol cannot send one again with other
 * headers, so this process does. A challenge that meets another process is told as the refusal it is.
 */
export function createAccountRequests() {
  const accounts = new LRUCache<LegId, string>({ max: REMEMBERED });
  const nonces = new LRUCache<LegId, NonceUse>({ max: REMEMBERED });
  const sent = new LRUCache<string, Sent>({ max: REMEMBERED });
  /** Commands that answer a challenge, until the server has told their transaction. */
  const repeats = new WeakMap<Request, number>();
  return {
    /** Takes over what the record of a call says of its legs. */
    know(given: Readonly<Record<LegId, string>> = {}): void {
      for (const [leg, account] of Object.entries(given)) accounts.set(leg, account);
    },
    /** The server has sent a request, as this text, by this transaction. */
    keep(command: Request, txn: string, text: string): void {
      if (!accounts.has(command.leg)) return;
      const uri = text.split(" ", 2)[1] ?? ("uri" in command ? command.uri : "");
      sent.set(txn, { command, uri, repeated: repeats.get(command) ?? 0 });
    },
    /** What a refusal asks of an account. */
    challengedBy({ leg, txn, status }: Response): Challenged | undefined {
      if (status !== 401 && status !== 407) return undefined;
      const account = accounts.get(leg);
      const request = sent.get(txn);
      if (account === undefined || !request) return undefined;
      const { uri, repeated, command } = request;
      const credentials = (command.headers ?? []).filter(([name]) => CREDENTIALS.has(name.toLowerCase()));
      const nonce = nonces.get(leg);
      return { account, uri, credentials, repeated, ...(nonce && { nonce }) };
    },
    /** The request that answers a challenge; undefined when it is not remembered. */
    again({ leg, txn, headers, nonce }: Authorize): Request | undefined {
      const request = sent.get(txn);
      if (!request) return undefined;
      sent.delete(txn);
      nonces.set(leg, nonce);
      const replaced = new Set(headers.map(([name]) => name.toLowerCase()));
      const kept = (request.command.headers ?? []).filter(([name]) => !replaced.has(name.toLowerCase()));
      const command: Request = { ...request.command, headers: [...kept, ...headers] };
      repeats.set(command, request.repeated + 1);
      return command;
    },
  };
}
