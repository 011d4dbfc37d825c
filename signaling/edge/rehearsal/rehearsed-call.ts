import { buildRequest, buildResponse, type HeaderList } from "#signaling/edge/message/build.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";

/** What one of the two phones says. */
export interface Said {
  readonly flow: Flow;
  readonly text: string;
}

/** The two phones, at addresses that nobody has (RFC 5737). */
const CALLER: Flow = { transport: "udp", host: "192.0.2.1", port: 5060 };
export const CALLEE: Flow = { transport: "udp", host: "192.0.2.2", port: 5060 };
const FROM = "<sip:caller@rehearsal.invalid>";
const TO = "<sip:callee@rehearsal.invalid>";
const SDP_TYPE = "application/sdp";
const sdp = (host: string): string =>
  `v=0\r\no=- 1 1 IN IP4 ${host}\r\ns=-\r\nc=IN IP4 ${host}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8 101\r\n` +
  "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

/** How a rehearsed call goes on once the callee rings. */
export type Story = "caller-hangs-up" | "callee-hangs-up" | "cancel";

/** Both phones of one call, for a server that rehearses: they ring, talk not at all, and hang up. */
export class RehearsedCall {
  /** Both phones have put down. */
  over = false;
  private readonly id: string;
  private readonly story: Story;

  constructor(id: string, story: Story) {
    this.id = id;
    this.story = story;
  }

  begin(): Said {
    return this.callerSays("INVITE", 1, TO, "i", sdp(CALLER.host));
  }

  /**
   * What is said to a message that reached one of the phones.
   *
   * @throws when the call is refused
   */
  hear(message: SipMessage, { host }: Flow): Said[] {
    return host === CALLEE.host ? this.calleeHears(message) : this.callerHears(message);
  }

  private calleeHears(message: SipMessage): Said[] {
    const answer = (status: number, body?: string): Said => ({
      flow: CALLEE,
      text: buildResponse(message, {
        status,
        toTag: "callee",
        headers: [["Contact", `<sip:callee@${CALLEE.host}:${CALLEE.port}>`]],
        ...(body !== undefined && { body, contentType: SDP_TYPE }),
      }),
    });
    if (message.kind === "response") {
      this.over ||= message.cseq.method === "BYE";
      return [];
    }
    switch (message.method) {
      case "INVITE":
        return this.story === "cancel" ? [answer(180)] : [answer(180), answer(200, sdp(CALLEE.host))];
      case "ACK":
        return this.story === "callee-hangs-up" ? [this.calleeHangsUp(message)] : [];
      default:
        return [answer(200)];
    }
  }

  private callerHears(message: SipMessage): Said[] {
    if (message.kind === "request")
      return message.method === "BYE"
        ? [{ flow: CALLER, text: buildResponse(message, { status: 200 }) }]
        : [];
    const { status } = message;
    const to = message.header("to") ?? TO;
    if (message.cseq.method === "BYE") this.over = true;
    if (message.cseq.method !== "INVITE") return [];
    if (status === 180) return this.story === "cancel" ? [this.callerSays("CANCEL", 1, TO, "i")] : [];
    if (status >= 300) {
      if (this.story !== "cancel") throw new Error(`a rehearsed call was answered ${status}`);
      this.over = true;
      return [this.callerSays("ACK", 1, to, "i")];
    }
    if (status < 200) return [];
    const ack = this.callerSays("ACK", 1, to, "a");
    return this.story === "caller-hangs-up" ? [ack, this.callerSays("BYE", 2, to, "b")] : [ack];
  }

  private callerSays(method: string, seq: number, to: string, branch: string, body?: string): Said {
    const { host, port } = CALLER;
    return {
      flow: CALLER,
      text: buildRequest({
        method,
        uri: "sip:callee@rehearsal.invalid",
        headers: [
          ["Via", `SIP/2.0/UDP ${host}:${port};rport;branch=z9hG4bK${this.id}${branch}`],
          ...routing(`${FROM};tag=${this.id}`, to, this.id, `${seq} ${method}`),
          ["Contact", `<sip:caller@${host}:${port}>`],
          ["User-Agent", "rehearsal"],
        ],
        ...(body !== undefined && { body, contentType: SDP_TYPE }),
      }),
    };
  }

  private calleeHangsUp(ack: SipMessage): Said {
    const { host, port } = CALLEE;
    const text = buildRequest({
      method: "BYE",
      uri: ack.header("contact")?.replace(/^<|>.*$/g, "") ?? ack.uri,
      headers: [
        ["Via", `SIP/2.0/UDP ${host}:${port};rport;branch=z9hG4bK${this.id}c`],
        ...routing(ack.header("to") ?? "", ack.header("from") ?? "", ack.callId, "1 BYE"),
      ],
    });
    return { flow: CALLEE, text };
  }
}

const routing = (from: string, to: string, callId: string, cseq: string): HeaderList => [
  ["Max-Forwards", "70"],
  ["From", from],
  ["To", to],
  ["Call-ID", callId],
  ["CSeq", cseq],
];
