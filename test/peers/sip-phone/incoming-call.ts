import type { Call } from "./call.ts";
import type { Phone } from "./phone.ts";
import { requiredValue, type SipRequest } from "./sip-text.ts";

/** A call that rings at the phone. */
export class IncomingCall {
  readonly invite: SipRequest;
  readonly call: Call;
  /** Resolves when the caller gives up. */
  readonly cancelledByCaller: Promise<void>;
  readonly #phone: Phone;
  readonly #settled: () => void;
  #cancelled: () => void = () => undefined;

  constructor(phone: Phone, invite: SipRequest, call: Call, settled: () => void) {
    this.#phone = phone;
    this.invite = invite;
    this.call = call;
    this.#settled = settled;
    this.cancelledByCaller = new Promise((resolve) => (this.#cancelled = resolve));
  }

  get from(): string {
    return requiredValue(this.invite, "from");
  }

  ring(): void {
    this.#respond(180, "Ringing");
  }

  /** Answers 200; the call's `confirmed()` resolves with its ACK. */
  answer(): Call {
    this.#settled();
    this.#phone.calls.add(this.call);
    this.call.accept(this.invite);
    return this.call;
  }

  reject(status = 486, reason = "Busy Here"): void {
    this.#settled();
    this.#respond(status, reason);
    this.drop();
  }

  /** The phone's: the caller sent CANCEL (RFC 3261 §9.2). */
  cancelled(): void {
    this.#respond(487, "Request Terminated");
    this.#cancelled();
    this.drop();
  }

  drop(): void {
    this.call.finish("them", "never answered");
  }

  #respond(status: number, reason: string): void {
    const to = this.call.dialog.tagged(requiredValue(this.invite, "to"));
    this.#phone.endpoint.respond(this.invite, status, reason, [
      ["To", to],
      ["Contact", this.#phone.contact],
    ]);
  }
}
