import type { Phone } from "#test/peers/sip-phone/phone.ts";
import { Dialog } from "#test/peers/sip-phone/dialog.ts";
import { requiredValue, valueOf, type SipRequest, type SipResponse } from "#test/peers/sip-phone/sip-text.ts";
import { delay } from "./delay.ts";
import type { Line } from "./line.ts";
import { Lost, type Milestones } from "./milestones.ts";
import { PATIENCE_MS, type Script } from "./script.ts";
import { offerOn } from "./sdp.ts";

const SDP_TYPE = ["Content-Type", "application/sdp"] as const;

/** One call from the caller's side. CSeq numbers are fixed: INVITE 1, re-INVITE or PRACK 2, BYE 3. */
export class Caller {
  private readonly line: Line;
  private readonly phone: Phone;
  private readonly dialog: Dialog;
  private readonly milestones: Milestones;

  constructor(line: Line, target: string, callId: string, milestones: Milestones) {
    const { phone } = line;
    const uri = phone.uriFor(target);
    this.line = line;
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
      this.dialog.establish(response);
      if (ack === undefined)
        ack = endpoint.sendOnly(this.dialog.request("ACK", [], "", sequence), this.phone.server);
      else endpoint.sendRaw(ack, this.phone.server);
    };
    this.milestones.reach(`${name}-sent`);
    const draft = this.dialog.request(
      "INVITE",
      [["Contact", contact], SDP_TYPE, ...extra],
      offerOn(this.line.transport, sequence),
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
    // RFC 3261 §9.2: to an INVITE that has had its answer meanwhile no CANCEL matches any more.
    const late = (milestones.at("terminated") ?? Infinity) <= (milestones.at("cancel-answered") ?? 0);
    if (ofCancel.status !== 200 && !(late && ofCancel.status === 481))
      throw new Lost(`CANCEL was answered ${ofCancel.status}`);
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

/** What a refusal says of its cause. */
const why = (response: SipResponse): string =>
  `${response.status} ${/text="([^"]*)"/.exec(valueOf(response, "reason") ?? "")?.[1] ?? response.reason}`;

function lost(error: unknown): never {
  throw new Lost(error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error));
}
