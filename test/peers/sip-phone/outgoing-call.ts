import type { Call } from "./call.ts";
import { Dialog } from "./dialog.ts";
import type { Phone } from "./phone.ts";
import type { RtpStream } from "./rtp-stream.ts";
import { EVENT_PAYLOAD_TYPE, type Codec } from "./sdp.ts";
import { newBranch, type NewRequest } from "./sip-endpoint.ts";
import { requiredValue, valueOf, type SipResponse } from "./sip-text.ts";

export interface InviteOptions {
  readonly codecs?: readonly Codec[];
  /** Send no offer: it comes in the 200 and our answer goes in the ACK. */
  readonly withoutSdp?: boolean;
  /** A body of one's own in place of the offer. */
  readonly sdp?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly deadlineMs?: number;
}

const ALLOW = ["Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE"] as const;

/** What `call` throws when the other side did not answer 200. */
export class CallRefused extends Error {
  readonly status: number;
  readonly response: SipResponse;

  constructor(response: SipResponse, trace: string) {
    super(`the call was refused: ${response.status} ${response.reason}\n${trace}`);
    this.status = response.status;
    this.response = response;
  }
}

/** A call of ours until it is answered. */
export class OutgoingCall {
  /** The established call; rejects with `CallRefused`. */
  readonly answered: Promise<Call>;
  /** Provisional statuses that came. */
  readonly progress: number[] = [];
  readonly #phone: Phone;
  readonly #dialog: Dialog;
  readonly #ringWaiters = new Set<(status: number) => void>();
  #sent: NewRequest | undefined;

  constructor(phone: Phone, target: string, rtp: RtpStream, options: InviteOptions) {
    this.#phone = phone;
    const uri = phone.uriFor(target);
    this.#dialog = new Dialog({
      server: phone.server,
      local: phone.nameAddr,
      remote: `<${uri}>`,
      target: uri,
    });
    this.answered = this.#establish(
      phone.makeCall(this.#dialog, rtp, options.codecs ?? phone.options.codecs),
      options,
    );
    // A caller that only cancels never looks at the outcome.
    this.answered.catch(() => undefined);
  }

  /** Resolves when a provisional response above 100 came. */
  ringing(deadlineMs = 5_000): Promise<number> {
    const known = this.progress.find((status) => status > 100);
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`no ringing within ${deadlineMs} ms\n${this.#phone.endpoint.recent()}`));
      }, deadlineMs);
      this.#ringWaiters.add((status) => {
        clearTimeout(timer);
        resolve(status);
      });
    });
  }

  /** Sends CANCEL; the status of its response. `answered` then rejects with 487 unless the answer was faster. */
  async cancel(): Promise<number> {
    if (!this.#sent) throw new Error("nothing was sent yet");
    const { uri, headers, branch } = this.#sent;
    const keep = new Set(["from", "to", "call-id", "route"]);
    const number = requiredValue({ headers, body: "" }, "cseq").split(" ")[0] ?? "";
    const draft: NewRequest = {
      method: "CANCEL",
      uri,
      headers: [...headers.filter(([name]) => keep.has(name.toLowerCase())), ["CSeq", `${number} CANCEL`]],
      body: "",
      // RFC 3261 §9.1: the Via of the INVITE, its branch included.
      ...(branch !== undefined && { branch }),
    };
    const response = await this.#phone.endpoint.request(draft, { to: this.#phone.server });
    return response.status;
  }

  async #establish(call: Call, options: InviteOptions): Promise<Call> {
    const phone = this.#phone;
    const body = options.sdp ?? (options.withoutSdp === true ? "" : call.localSdp(EVENT_PAYLOAD_TYPE));
    const type = body === "" ? [] : [["Content-Type", "application/sdp"] as const];
    const headers = [["Contact", phone.contact], ALLOW, ...(options.headers ?? []), ...type] as const;
    const draft = (): NewRequest =>
      (this.#sent = { ...this.#dialog.request("INVITE", headers, body), branch: newBranch() });
    let ack: string | undefined;
    const acknowledge = (response: SipResponse) => {
      const answer = options.withoutSdp === true ? call.localSdp() : "";
      ack = call.acknowledge(response, answer, ack);
    };
    phone.calls.add(call);
    try {
      const response = await phone.requestWithDigest(draft, {
        to: phone.server,
        deadlineMs: options.deadlineMs ?? 10_000,
        onProvisional: (provisional) => {
          this.#note(provisional.status);
        },
        onFinalAgain: (again) => {
          if (again.status < 300) acknowledge(again);
        },
      });
      if (response.status >= 300) throw new CallRefused(response, phone.endpoint.recent());
      this.#dialog.establish(response);
      if (valueOf(response, "content-type") === undefined)
        throw new Error("200 without a session description");
      call.useRemoteSdp(response.body);
      acknowledge(response);
      return call;
    } catch (error) {
      call.finish("us", "not established");
      throw error;
    }
  }

  #note(status: number): void {
    this.progress.push(status);
    if (status <= 100) return;
    for (const wake of this.#ringWaiters) wake(status);
    this.#ringWaiters.clear();
  }
}
