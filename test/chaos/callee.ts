import { Dialog } from "#test/peers/sip-phone/dialog.ts";
import type { SipEndpoint } from "#test/peers/sip-phone/sip-endpoint.ts";
import { requiredValue, type SipRequest } from "#test/peers/sip-phone/sip-text.ts";
import type { Station } from "./line.ts";
import type { Milestones } from "./milestones.ts";
import { PATIENCE_MS, type Script } from "./script.ts";
import { answerOn } from "./sdp.ts";

/** RFC 3261 §13.3.1.4 */
const ANSWER_AGAIN_MS = [500, 1_000, 2_000, 4_000, 4_000];
/** RFC 3262 §3: a reliable response is repeated until its PRACK comes. */
const RINGING_AGAIN_MS = [500, 1_000, 2_000, 4_000];
const SDP_TYPE = ["Content-Type", "application/sdp"] as const;

/** One call from the callee's side. */
export class Callee {
  private readonly line: Station;
  private readonly milestones: Milestones;
  private readonly script: Script;
  private readonly timers = new Set<NodeJS.Timeout>();
  private dialog: Dialog | undefined;
  private invite: SipRequest | undefined;
  private readonly acknowledged = new Set<number>();
  /** A second INVITE for the same call: the callee rang twice. */
  rungTwice = false;

  constructor(line: Station, script: Script, milestones: Milestones) {
    this.line = line;
    this.script = script;
    this.milestones = milestones;
    line.phone.endpoint.onRequest = (request) => { this.receive(request); }; // prettier-ignore
  }

  close(): void {
    for (const timer of this.timers) clearTimeout(timer);
  }

  private get endpoint(): SipEndpoint {
    return this.line.phone.endpoint;
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
    this.dialog = Dialog.from(invite, this.line.phone.server);
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
    const text = this.endpoint.respond(
      invite,
      200,
      "OK",
      [...this.headers(invite), SDP_TYPE],
      answerOn(this.line.transport, invite.body),
    );
    this.repeat(text, sequenceOf(invite), 0);
  }

  private repeat(text: string, sequence: number, attempt: number): void {
    const wait = ANSWER_AGAIN_MS[attempt];
    if (wait === undefined) return;
    this.after(wait, () => {
      if (this.acknowledged.has(sequence)) return;
      this.endpoint.sendRaw(text, this.line.phone.server);
      this.repeat(text, sequence, attempt + 1);
    });
  }

  private async hangUp(): Promise<void> {
    if (!this.dialog) return;
    this.milestones.reach("callee-bye-sent");
    await this.endpoint
      .request(this.dialog.request("BYE", [], "", 3), { to: this.line.phone.server, deadlineMs: PATIENCE_MS })
      .then(({ status }) => {
        this.milestones.reach(status === 200 ? "callee-bye-answered" : `callee-bye-${status}`);
      });
  }

  private headers(request: SipRequest): (readonly [string, string])[] {
    return [
      ["To", this.dialog?.tagged(requiredValue(request, "to")) ?? ""],
      ["Contact", this.line.phone.contact],
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

const sequenceOf = (request: SipRequest): number => Number(requiredValue(request, "cseq").split(/\s+/)[0]);
