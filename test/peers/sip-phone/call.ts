import { sampleSource, speechSample, toneSource } from "../audio/sources.ts";
import type { Recording } from "../audio/recording.ts";
import type { Dialog } from "./dialog.ts";
import type { RtpStream } from "./rtp-stream.ts";
import {
  answerDirection,
  EVENT_PAYLOAD_TYPE,
  formatSdp,
  parseSdp,
  type Codec,
  type Direction,
} from "./sdp.ts";
import type { Destination, SipEndpoint } from "./sip-endpoint.ts";
import { requiredValue, valueOf, type SipRequest, type SipResponse } from "./sip-text.ts";

export interface CallParts {
  readonly endpoint: SipEndpoint;
  readonly dialog: Dialog;
  readonly rtp: RtpStream;
  readonly codecs: readonly Codec[];
  readonly host: string;
  readonly contact: string;
  readonly onEnded: (call: Call) => void;
}

/** RFC 3261 §13.3.1.4: a 2xx is repeated until its ACK comes. */
const ANSWER_AGAIN_MS = [500, 1_000, 2_000, 4_000, 4_000];

/** An established call, or one being established. */
export class Call {
  readonly rtp: RtpStream;
  /** Resolves with who ended the call and how once it is over. */
  readonly ended: Promise<{ by: "us" | "them"; reason: string }>;
  /** Bodies of SIP INFO requests that came. */
  readonly infos: string[] = [];
  /** Bodies of NOTIFYs inside the call: how a referral of ours goes. */
  readonly notified: string[] = [];
  /** Offers that came inside the call: hold, or media that moved. */
  reinvites = 0;
  acknowledged = false;
  remoteDirection: Direction = "sendrecv";
  readonly #parts: CallParts;
  readonly #session = Math.floor(Math.random() * 1e9);
  #version = 0;
  #direction: Direction = "sendrecv";
  #end: (how: { by: "us" | "them"; reason: string }) => void = () => undefined;
  #over = false;
  #answerTimer: NodeJS.Timeout | undefined;
  readonly #ackWaiters = new Set<() => void>();

  constructor(parts: CallParts) {
    this.#parts = parts;
    this.rtp = parts.rtp;
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  get heard(): Recording {
    return this.rtp.heard;
  }
  get id(): string {
    return this.#parts.dialog.callId;
  }
  get dialog(): Dialog {
    return this.#parts.dialog;
  }
  get over(): boolean {
    return this.#over;
  }

  /** Sends a tone until `sendSilence()`, or for `ms` and resolves then. */
  sendTone(hz: number, options: { db?: number; ms?: number } = {}): Promise<void> {
    return this.rtp.play(toneSource(hz, options));
  }

  /** Sends the tests' speech, or other samples, once; resolves when it is out. */
  sendSpeech(samples: Int16Array = speechSample()): Promise<void> {
    return this.rtp.play(sampleSource(samples));
  }

  sendSilence(): void {
    this.rtp.stop();
  }

  /** Sends a digit as RFC 4733 events; resolves when its last packet is out. */
  digit(digit: string, ms = 100): Promise<void> {
    return this.rtp.digit(digit, ms);
  }

  /** Sends a digit as SIP INFO (application/dtmf-relay). */
  async digitByInfo(digit: string): Promise<SipResponse> {
    const body = `Signal=${digit}\r\nDuration=100\r\n`;
    return this.request("INFO", [["Content-Type", "application/dtmf-relay"]], body);
  }

  /** Puts the other side on hold: re-INVITE with `a=sendonly`, and sends nothing. */
  async hold(): Promise<SipResponse> {
    const response = await this.reinvite("sendonly");
    this.rtp.muted = true;
    return response;
  }

  async resume(): Promise<SipResponse> {
    const response = await this.reinvite("sendrecv");
    this.rtp.muted = false;
    return response;
  }

  /** Offers again within the call; throws unless it is accepted. */
  async reinvite(direction: Direction = this.#direction): Promise<SipResponse> {
    this.#direction = direction;
    const response = await this.request("INVITE", [["Content-Type", "application/sdp"]], this.localSdp());
    if (response.status !== 200)
      throw new Error(`re-INVITE was refused: ${response.status} ${response.reason}`);
    this.useRemoteSdp(response.body);
    this.acknowledge(response);
    return response;
  }

  /** Sends any request within the call. */
  request(
    method: string,
    extra: readonly (readonly [string, string])[] = [],
    body = "",
    deadlineMs?: number,
  ): Promise<SipResponse> {
    const { dialog, endpoint } = this.#parts;
    let ack: string | undefined;
    return endpoint.request(dialog.request(method, [["Contact", this.#parts.contact], ...extra], body), {
      to: dialog.nextHop(),
      ...(deadlineMs !== undefined && { deadlineMs }),
      onFinalAgain: (response) => {
        if (method === "INVITE" && response.status < 300) ack = this.acknowledge(response, "", ack);
      },
    });
  }

  /** Ends the call; throws unless the BYE is answered 200. */
  async hangup(deadlineMs?: number): Promise<SipResponse> {
    if (this.#over) throw new Error("the call is over already");
    this.finish("us", "BYE");
    const response = await this.request("BYE", [], "", deadlineMs);
    if (response.status !== 200) throw new Error(`BYE was answered ${response.status} ${response.reason}`);
    return response;
  }

  // What the phone calls.

  localSdp(events: number | undefined = EVENT_PAYLOAD_TYPE, codecs = this.#parts.codecs): string {
    const { host } = this.#parts;
    const [port, version, session] = [this.rtp.port, ++this.#version, this.#session];
    return formatSdp({ host, port, codecs, events, direction: this.#direction, version, session });
  }

  /** Points our RTP where a session description says. */
  useRemoteSdp(sdp: string): void {
    const remote = parseSdp(sdp);
    const codec = remote.codecs.find((offered) => this.#parts.codecs.includes(offered));
    if (!codec) throw new Error(`no common codec in ${JSON.stringify(sdp)}`);
    this.remoteDirection = remote.direction;
    this.rtp.direct({ host: remote.host, port: remote.port, codec, events: remote.events });
  }

  /** ACKs a 2xx; with `again` that very ACK goes out once more. */
  acknowledge(response: SipResponse, body = "", again?: string): string {
    const { dialog, endpoint } = this.#parts;
    if (again !== undefined) {
      endpoint.sendRaw(again, dialog.nextHop());
      return again;
    }
    const number = Number(requiredValue(response, "cseq").split(/\s+/)[0]);
    const type = body === "" ? [] : [["Content-Type", "application/sdp"] as const];
    return endpoint.sendOnly(dialog.request("ACK", type, body, number), dialog.nextHop());
  }

  /** Answers an INVITE of the other side with 200 and repeats that until the ACK comes. */
  accept(invite: SipRequest): void {
    const offered = invite.body !== "";
    if (offered) {
      this.useRemoteSdp(invite.body);
      this.#direction = answerDirection[this.remoteDirection];
    }
    const { dialog, endpoint, contact } = this.#parts;
    const headers = [
      ["To", dialog.tagged(requiredValue(invite, "to"))],
      ["Contact", contact],
      ["Content-Type", "application/sdp"],
    ] as const;
    this.acknowledged = false;
    const remote = offered ? parseSdp(invite.body) : undefined;
    const codecs = remote
      ? this.#parts.codecs.filter((codec) => remote.codecs.includes(codec))
      : this.#parts.codecs;
    const text = endpoint.respond(
      invite,
      200,
      "OK",
      headers,
      this.localSdp(remote ? remote.events : EVENT_PAYLOAD_TYPE, codecs),
    );
    this.#repeatAnswer(text, dialog.nextHop(), 0);
  }

  /** Waits until our 200 was acknowledged. */
  confirmed(deadlineMs = 5_000): Promise<void> {
    if (this.acknowledged) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        this.#ackWaiters.delete(done);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#ackWaiters.delete(done);
        reject(new Error(`no ACK within ${deadlineMs} ms\n${this.#parts.endpoint.recent()}`));
      }, deadlineMs);
      this.#ackWaiters.add(done);
    });
  }

  /** A request of the other side within this call. */
  receive(request: SipRequest): void {
    const { endpoint, dialog } = this.#parts;
    switch (request.method) {
      case "ACK":
        this.acknowledged = true;
        clearTimeout(this.#answerTimer);
        if (request.body !== "") this.useRemoteSdp(request.body);
        for (const wake of this.#ackWaiters) wake();
        return;
      case "BYE":
        endpoint.respond(request, 200, "OK");
        this.finish("them", valueOf(request, "reason") ?? "BYE");
        return;
      case "INVITE":
      case "UPDATE":
        this.reinvites++;
        dialog.refreshTarget(request);
        this.accept(request);
        return;
      case "NOTIFY":
        this.notified.push(request.body.trim());
        endpoint.respond(request, 200, "OK");
        return;
      case "INFO":
        this.infos.push(request.body);
        endpoint.respond(request, 200, "OK");
        return;
      default:
        endpoint.respond(request, 200, "OK");
    }
  }

  finish(by: "us" | "them", reason: string): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#answerTimer);
    this.rtp.close();
    this.#end({ by, reason });
    this.#parts.onEnded(this);
  }

  #repeatAnswer(text: string, to: Destination, attempt: number): void {
    clearTimeout(this.#answerTimer);
    const wait = ANSWER_AGAIN_MS[attempt];
    if (wait === undefined || this.#parts.endpoint.transport.protocol === "TCP") return;
    this.#answerTimer = setTimeout(() => {
      this.#parts.endpoint.sendRaw(text, to);
      this.#repeatAnswer(text, to, attempt + 1);
    }, wait);
  }
}
