import { token, type Destination, type NewRequest } from "./sip-endpoint.ts";
import { hostPortOf, parameterOf, requiredValue, uriOf, valueOf, valuesOf } from "./sip-text.ts";
import type { SipRequest, SipResponse } from "./sip-text.ts";

/** The phone's half of a dialog (RFC 3261 §12). */
export class Dialog {
  readonly callId: string;
  readonly localTag = token();
  readonly #server: Destination;
  /** `From` of what we send and `To` of what we send, as name-addr without tag. */
  readonly #local: string;
  readonly #remote: string;
  remoteTag: string | undefined;
  #target: string;
  #routes: string[] = [];
  #sequence = Math.floor(Math.random() * 1_000) + 1;

  constructor(options: {
    server: Destination;
    local: string;
    remote: string;
    target: string;
    callId?: string;
  }) {
    this.#server = options.server;
    this.#local = options.local;
    this.#remote = options.remote;
    this.#target = options.target;
    this.callId = options.callId ?? token();
  }

  /** The dialog that an INVITE to us opens. */
  static from(invite: SipRequest, server: Destination): Dialog {
    const from = requiredValue(invite, "from");
    const dialog = new Dialog({
      server,
      local: withoutTag(requiredValue(invite, "to")),
      remote: withoutTag(from),
      target: uriOf(valueOf(invite, "contact") ?? from),
      callId: requiredValue(invite, "call-id"),
    });
    dialog.remoteTag = parameterOf(from, "tag");
    dialog.#routes = valuesOf(invite, "record-route");
    return dialog;
  }

  get lastSequence(): number {
    return this.#sequence;
  }

  /** A request within the dialog; `sequence` is for ACK and CANCEL, which reuse their INVITE's. */
  request(
    method: string,
    extra: readonly (readonly [string, string])[],
    body = "",
    sequence?: number,
  ): NewRequest {
    const number = sequence ?? ++this.#sequence;
    const to = this.remoteTag === undefined ? this.#remote : `${this.#remote};tag=${this.remoteTag}`;
    return {
      method,
      uri: this.#target,
      headers: [
        ...this.#routes.map((route) => ["Route", route] as const),
        ["From", `${this.#local};tag=${this.localTag}`],
        ["To", to],
        ["Call-ID", this.callId],
        ["CSeq", `${number} ${method}`],
        ["User-Agent", "crossband-test-phone"],
        ...extra,
      ],
      body,
    };
  }

  /** Takes tag, target and route set from the 2xx to our INVITE (RFC 3261 §12.1.2). */
  establish(response: SipResponse): void {
    this.remoteTag = parameterOf(requiredValue(response, "to"), "tag");
    this.#routes = valuesOf(response, "record-route").reverse();
    this.refreshTarget(response);
  }

  /** RFC 3261 §12.2.1.2 and §12.2.2 */
  refreshTarget(message: SipRequest | SipResponse): void {
    const contact = valueOf(message, "contact");
    if (contact !== undefined) this.#target = uriOf(contact);
  }

  /** Where the next request goes: the first route, else the remote target; the server when that names no address. */
  nextHop(): Destination {
    const uri = this.#routes[0] === undefined ? this.#target : uriOf(this.#routes[0]);
    const hop = hostPortOf(uri);
    return hop && /^[\d.]+$|:/.test(hop.host) ? hop : this.#server;
  }

  /** Our tag put on the To of a response. */
  tagged(to: string): string {
    return parameterOf(to, "tag") === undefined ? `${to};tag=${this.localTag}` : to;
  }
}

const withoutTag = (value: string): string => value.replace(/;\s*tag=[^;>\s]*/i, "");
