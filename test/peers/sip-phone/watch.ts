import { Dialog } from "./dialog.ts";
import { Mailbox } from "./mailbox.ts";
import type { Phone } from "./phone.ts";
import { requiredValue, valueOf, type SipRequest, type SipResponse } from "./sip-text.ts";

/** One NOTIFY as a test looks at it. */
export interface Notice {
  readonly request: SipRequest;
  /** Subscription-State. */
  readonly state: string;
  readonly body: string;
  readonly sequence: number;
}

/** A subscription of the phone's (RFC 6665 §4.1). */
export class Watch {
  /** The answer to the first SUBSCRIBE. */
  readonly response: SipResponse;
  /** What the phone answers NOTIFYs with. */
  answer = 200;
  /** Every NOTIFY so far. */
  readonly notices: Notice[] = [];
  readonly dialog: Dialog;
  readonly #phone: Phone;
  readonly #event: string;
  readonly #mailbox = new Mailbox<Notice>("NOTIFY");

  constructor(phone: Phone, dialog: Dialog, event: string, response: SipResponse) {
    this.#phone = phone;
    this.dialog = dialog;
    this.#event = event;
    this.response = response;
  }

  get status(): number {
    return this.response.status;
  }
  /** The last body. */
  get body(): string {
    return this.notices.at(-1)?.body ?? "";
  }

  /** The next NOTIFY. */
  next(deadlineMs = 5_000): Promise<Notice> {
    return this.#mailbox.next(deadlineMs, () => this.#phone.endpoint.recent());
  }

  /** SUBSCRIBE in the dialog; 0 ends it. */
  refresh(expires: number, event = this.#event): Promise<SipResponse> {
    const headers = [
      ["Contact", this.#phone.contact],
      ["Event", event],
      ["Expires", String(expires)],
    ] as const;
    return this.#phone.endpoint.request(this.dialog.request("SUBSCRIBE", headers), {
      to: this.#phone.server,
    });
  }

  receive(request: SipRequest): void {
    this.#phone.endpoint.respond(request, this.answer, this.answer === 200 ? "OK" : "No");
    const sequence = Number(requiredValue(request, "cseq").split(" ")[0]);
    const notice = {
      request,
      state: valueOf(request, "subscription-state") ?? "",
      body: request.body,
      sequence,
    };
    this.notices.push(notice);
    this.#mailbox.put(notice);
  }
}

export interface WatchOptions {
  readonly expires?: number | undefined;
  readonly headers?: readonly (readonly [string, string])[];
}

/** Subscribes; NOTIFYs go to the returned watch, and to the phone's until there is one. */
export async function watch(
  phone: Phone,
  target: string,
  event: string,
  { expires = 60, headers = [] }: WatchOptions = {},
): Promise<Watch> {
  const uri = phone.uriFor(target);
  const dialog = new Dialog({ server: phone.server, local: phone.nameAddr, remote: `<${uri}>`, target: uri });
  const early: SipRequest[] = [];
  phone.watches.set(dialog.callId, (request) => early.push(request));
  const own = [
    ["Contact", phone.contact],
    ["Event", event],
    ["Expires", String(expires)],
    ...headers,
  ] as const;
  const response = await phone.requestWithDigest(() => dialog.request("SUBSCRIBE", own), {
    to: phone.server,
  });
  if (response.status < 300) dialog.establish(response);
  const made = new Watch(phone, dialog, event, response);
  phone.watches.set(dialog.callId, (request) => {
    made.receive(request);
  });
  for (const request of early) made.receive(request);
  return made;
}
