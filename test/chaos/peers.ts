import { createPhone, type Phone } from "#test/peers/sip-phone/phone.ts";
import { Dialog } from "#test/peers/sip-phone/dialog.ts";
import type { SipEndpoint } from "#test/peers/sip-phone/sip-endpoint.ts";
import { requiredValue, valueOf, type SipRequest, type SipResponse } from "#test/peers/sip-phone/sip-text.ts";
import { Lost, type Milestones } from "./milestones.ts";

/** Peers live here, so that the sprayer's side of them is another address: they are behind a translator, as most are. */
export const PEER_HOST = "127.0.1.1";
/** Longest wait for anything; a transaction of RFC 3261 gives up after 32 s, a caller long before. */
export const PATIENCE_MS = 12_000;
/** RFC 3261 §13.3.1.4 */
const ANSWER_AGAIN_MS = [500, 1_000, 2_000, 4_000, 4_000];
/** RFC 3262 §3: a reliable response is repeated until its PRACK comes. */
const RINGING_AGAIN_MS = [500, 1_000, 2_000, 4_000];
const SDP_TYPE = ["Content-Type", "application/sdp"] as const;

/** What the two sides of a call do. */
export interface Script {
  readonly story: "plain" | "cancel" | "reinvite" | "callee-hangs-up" | "prack";
  readonly ringMs: number;
  readonly talkMs: number;
  /** A re-INVITE may be refused with 503: the call goes on as it was (RFC 3261 §14.1). */
  readonly mayRefuse?: boolean;
}

/** An offer or answer that leads to where nobody minds packets. */
export const sdp = (version: number): string =>
  `v=0\r\no=- 7 ${version} IN IP4 ${PEER_HOST}\r\ns=-\r\nc=IN IP4 ${PEER_HOST}\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n`;

export async function openPhone(server: string, domain: string, user: string): Promise<Phone> {
  const phone = await createPhone({ server, domain, user, password: passwordOf(user), host: PEER_HOST });
  phone.endpoint.onRequest = (request) => {
    if (request.method !== "ACK") phone.endpoint.respond(request, 481, "Call/Transaction Does Not Exist");
  };
  return phone;
}

export const passwordOf = (user: string): string => `${user}-password`;

/** One call from the caller's side. CSeq numbers are fixed: INVITE 1, re-INVITE or PRACK 2, BYE 3. */
export class Caller {
  private readonly phone: Phone;
  private readonly dialog: Dialog;
  private readonly milestones: Milestones;
  private tag: string | undefined;

  constructor(phone: Phone, target: string, callId: string, milestones: Milestones) {
    const uri = phone.uriFor(target);
    this.phone = phone;
    this.milestones = milestones;
    this.dialog = new Dialog({
      server: phone.server,
      local: phone.nameAddr,
      remote: `<${uri}>`,
      target: uri,
      callId,
    });
  }

  /** The server's tag, which is the name of the call's record and leg. */
  get remoteTag(): string | undefined {
    return this.tag;
  }

  async run(script: Script): Promise<void> {
    const { milestones, phone } = this;
    phone.endpoint.onRequest = (request) => { this.receive(request); }; // prettier-ignore
    const branch = `z9hG4bK${this.dialog.callId}`;
    const answered = this.invite(
      1,
      "invite",
      branch,
      script.story === "prack" ? [["Supported", "100rel"]] : [],
    );
    answered.catch(() => undefined);
    if (script.story === "cancel") {
      await this.cancel(branch, answered);
      return;
    }
    const response = await answered;
    if (response.status !== 200) throw new Lost(`INVITE was answered ${why(response)}`);
    milestones.reach("answered");
    if (script.story === "prack") await milestones.wait("prack-answered", PATIENCE_MS);
    if (script.story === "reinvite") {
      await delay(script.talkMs / 2);
      const again = await this.invite(2, "re-invite", undefined);
      if (again.status === 503 && script.mayRefuse === true) milestones.reach("re-refused");
      else if (again.status === 200) milestones.reach("re-answered");
      else throw new Lost(`re-INVITE was answered ${again.status} ${again.reason}`);
    }
    await delay(script.talkMs);
    if (script.story === "callee-hangs-up") {
      milestones.reach("callee-may-hang-up");
      await milestones.wait("caller-released", PATIENCE_MS);
    } else await this.hangUp();
  }

  private async invite(
    sequence: number,
    name: string,
    branch: string | undefined,
    extra: readonly (readonly [string, string])[] = [],
  ): Promise<SipResponse> {
    const { endpoint, contact } = this.phone;
    let ack: string | undefined;
    let refused = false;
    const acknowledge = (response: SipResponse): void => {
      // RFC 3261 §17.1.1.2: once it has failed, the transaction takes no 2xx any more.
      refused ||= response.status >= 300;
      if (refused) return;
      this.establish(response);
      if (ack === undefined)
        ack = endpoint.sendOnly(this.dialog.request("ACK", [], "", sequence), this.phone.server);
      else endpoint.sendRaw(ack, this.phone.server);
    };
    this.milestones.reach(`${name}-sent`);
    const draft = this.dialog.request(
      "INVITE",
      [["Contact", contact], SDP_TYPE, ...extra],
      sdp(sequence),
      sequence,
    );
    const response = await endpoint
      .request(branch === undefined ? draft : { ...draft, branch }, {
        to: this.phone.server,
        deadlineMs: PATIENCE_MS,
        onProvisional: (response) => {
          if (response.status > 100) this.milestones.reach("ringing");
          const rseq = valueOf(response, "rseq");
          if (rseq !== undefined) this.prack(response, rseq);
        },
        onFinalAgain: acknowledge,
      })
      .catch(lost);
    acknowledge(response);
    return response;
  }

  /** RFC 3262 §4: once for each reliable response; the first is all there is here. */
  private prack(response: SipResponse, rseq: string): void {
    const { milestones, phone } = this;
    if (milestones.at("prack-sent") !== undefined) return;
    milestones.reach("prack-sent");
    this.dialog.establish(response);
    phone.endpoint
      .request(this.dialog.request("PRACK", [["RAck", `${rseq} 1 INVITE`]], "", 2), {
        to: phone.server,
        deadlineMs: PATIENCE_MS,
      })
      .then(
        ({ status }) => {
          milestones.reach(status === 200 ? "prack-answered" : `prack-refused-${status}`);
        },
        () => undefined,
      );
  }

  private async cancel(branch: string, answered: Promise<SipResponse>): Promise<void> {
    const { milestones, phone } = this;
    const refused = answered.then((response) => {
      if (milestones.at("cancel-sent") === undefined)
        throw new Lost(`INVITE was answered ${why(response)} before CANCEL`);
    });
    await Promise.race([milestones.wait("ringing", PATIENCE_MS), refused]);
    refused.catch(() => undefined);
    await delay(50);
    milestones.reach("cancel-sent");
    const draft = this.dialog.request("CANCEL", [], "", 1);
    const cancelled = phone.endpoint
      .request({ ...draft, branch }, { to: phone.server, deadlineMs: PATIENCE_MS })
      .catch(lost);
    const [ofCancel, ofInvite] = await Promise.all([
      cancelled.then((response) => {
        milestones.reach("cancel-answered");
        return response;
      }),
      answered.then((response) => {
        milestones.reach("terminated");
        return response;
      }),
    ]);
    if (ofCancel.status !== 200) throw new Lost(`CANCEL was answered ${ofCancel.status}`);
    if (ofInvite.status === 200) await this.hangUp();
    else if (ofInvite.status !== 487) throw new Lost(`INVITE was answered ${ofInvite.status} after CANCEL`);
  }

  private async hangUp(): Promise<void> {
    const { milestones, phone } = this;
    milestones.reach("bye-sent");
    const response = await phone.endpoint
      .request(this.dialog.request("BYE", [], "", 3), { to: phone.server, deadlineMs: PATIENCE_MS })
      .catch(lost);
    if (response.status !== 200) throw new Lost(`BYE was answered ${response.status}`);
    milestones.reach("bye-answered");
  }

  private establish(response: SipResponse): void {
    this.dialog.establish(response);
    this.tag = this.dialog.remoteTag;
  }

  private receive(request: SipRequest): void {
    const ours = requiredValue(request, "call-id") === this.dialog.callId;
    if (request.method === "ACK") return;
    if (!ours || request.method !== "BYE") {
      this.phone.endpoint.respond(request, 481, "Call/Transaction Does Not Exist");
      return;
    }
    this.phone.endpoint.respond(request, 200, "OK");
    this.milestones.reach("caller-released");
  }
}

/** One call from the callee's side. */
export class Callee {
  private readonly phone: Phone;
  private readonly milestones: Milestones;
  private readonly script: Script;
  private readonly timers = new Set<NodeJS.Timeout>();
  private dialog: Dialog | undefined;
  private invite: SipRequest | undefined;
  private readonly acknowledged = new Set<number>();
  /** A second INVITE for the same call: the callee rang twice. */
  rungTwice = false;

  constructor(phone: Phone, script: Script, milestones: Milestones) {
    this.phone = phone;
    this.script = script;
    this.milestones = milestones;
    phone.endpoint.onRequest = (request) => { this.receive(request); }; // prettier-ignore
  }

  close(): void {
    for (const timer of this.timers) clearTimeout(timer);
  }

  private get endpoint(): SipEndpoint {
    return this.phone.endpoint;
  }

  private receive(request: SipRequest): void {
    const callId = requiredValue(request, "call-id");
    if (request.method === "INVITE" && !this.dialog) {
      this.ring(request);
      return;
    }
    if (callId !== this.dialog?.callId) {
      if (request.method === "INVITE") this.rungTwice = true;
      if (request.method !== "ACK") this.endpoint.respond(request, 481, "Call/Transaction Does Not Exist");
      return;
    }
    switch (request.method) {
      case "INVITE":
        this.milestones.reach("callee-re-invited");
        this.answer(request, "callee-re-answered");
        return;
      case "ACK":
        this.acknowledged.add(sequenceOf(request));
        this.milestones.reach(sequenceOf(request) === 1 ? "callee-confirmed" : "callee-re-confirmed");
        return;
      case "PRACK":
        this.endpoint.respond(request, 200, "OK");
        this.milestones.reach("callee-pracked");
        return;
      case "CANCEL":
        this.endpoint.respond(request, 200, "OK");
        if (this.milestones.at("callee-answered") === undefined && this.invite) {
          this.close();
          this.endpoint.respond(this.invite, 487, "Request Terminated", this.headers(this.invite));
        }
        this.milestones.reach("callee-cancelled");
        return;
      case "BYE":
        this.endpoint.respond(request, 200, "OK");
        this.milestones.reach("callee-released");
        return;
      default:
        this.endpoint.respond(request, 200, "OK");
    }
  }

  private ring(invite: SipRequest): void {
    this.dialog = Dialog.from(invite, this.phone.server);
    this.invite = invite;
    this.milestones.reach("callee-invited");
    this.after(20, () => {
      this.ringOut(invite, 0);
    });
    if (this.script.story === "cancel") return;
    this.after(this.script.ringMs, () => {
      // RFC 3262 §3: no final response while a reliable one is unacknowledged, if it can be helped.
      const ready =
        this.script.story === "prack"
          ? this.milestones.wait("callee-pracked", PATIENCE_MS)
          : Promise.resolve();
      ready.then(() => { this.answer(invite, "callee-answered"); }, () => undefined); // prettier-ignore
    });
    if (this.script.story === "callee-hangs-up")
      this.milestones.wait("callee-may-hang-up", 60_000).then(() => this.hangUp(), () => undefined); // prettier-ignore
  }

  private ringOut(invite: SipRequest, attempt: number): void {
    if (this.script.story !== "prack") {
      this.endpoint.respond(invite, 180, "Ringing", this.headers(invite));
      return;
    }
    const wait = RINGING_AGAIN_MS[attempt];
    if (wait === undefined || this.milestones.at("callee-pracked") !== undefined) return;
    this.milestones.reach("callee-rings");
    this.endpoint.respond(invite, 180, "Ringing", [
      ...this.headers(invite),
      ["Require", "100rel"],
      ["RSeq", "7"],
    ]);
    this.after(wait, () => {
      this.ringOut(invite, attempt + 1);
    });
  }

  private answer(invite: SipRequest, milestone: string): void {
    this.milestones.reach(milestone);
    const text = this.endpoint.respond(invite, 200, "OK", [...this.headers(invite), SDP_TYPE], sdp(1));
    this.repeat(text, sequenceOf(invite), 0);
  }

  private repeat(text: string, sequence: number, attempt: number): void {
    const wait = ANSWER_AGAIN_MS[attempt];
    if (wait === undefined) return;
    this.after(wait, () => {
      if (this.acknowledged.has(sequence)) return;
      this.endpoint.sendRaw(text, this.phone.server);
      this.repeat(text, sequence, attempt + 1);
    });
  }

  private async hangUp(): Promise<void> {
    if (!this.dialog) return;
    this.milestones.reach("callee-bye-sent");
    await this.endpoint
      .request(this.dialog.request("BYE", [], "", 3), { to: this.phone.server, deadlineMs: PATIENCE_MS })
      .then(({ status }) => {
        this.milestones.reach(status === 200 ? "callee-bye-answered" : `callee-bye-${status}`);
      });
  }

  private headers(request: SipRequest): (readonly [string, string])[] {
    return [
      ["To", this.dialog?.tagged(requiredValue(request, "to")) ?? ""],
      ["Contact", this.phone.contact],
    ];
  }

  private after(ms: number, task: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      task();
    }, ms);
    this.timers.add(timer);
  }
}

/** What a refusal says of its cause. */
const why = (response: SipResponse): string =>
  `${response.status} ${/text="([^"]*)"/.exec(valueOf(response, "reason") ?? "")?.[1] ?? response.reason}`;

const sequenceOf = (request: SipRequest): number => Number(requiredValue(request, "cseq").split(/\s+/)[0]);

export const delay = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

function lost(error: unknown): never {
  throw new Lost(error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error));
}
