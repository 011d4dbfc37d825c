import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { performance } from "node:perf_hooks";
import { md5Authorization } from "./md5-authorization.ts";

export interface CallerOptions {
  readonly host: string;
  readonly port: number;
  readonly domain: string;
  readonly user: string;
  readonly password: string;
}

export interface CallResult {
  /** INVITE to its 200, and BYE to its 200, in ms; undefined when it never came. */
  readonly answeredMs: number | undefined;
  readonly endedMs: number | undefined;
  /** Answered with a failure, as an overloaded server should. */
  readonly refused?: boolean;
}

interface Running {
  readonly callId: string;
  readonly tag: string;
  readonly target: string;
  invitedAt: number;
  byeAt: number;
  answeredMs?: number;
  finish: (result: CallResult) => void;
}

const CALL_LIMIT_MS = 4_000;

/**
 * An open-loop caller for load: one UDP socket, no retransmission, a call is INVITE, ACK, BYE without a pause. Text templates
 * keep its own cost low and its clock is that of performance.now(). Called itself, it answers at once.
 */
export class BenchCaller {
  readonly #socket: Socket;
  readonly #options: CallerOptions;
  readonly #calls = new Map<string, Running>();
  #port = 0;
  #registration: ((status: number, text: string) => void) | undefined;

  private constructor(socket: Socket, options: CallerOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on("message", (bytes, { port }) => {
      this.#receive(bytes.toString("latin1"), port);
    });
  }

  static async open(options: CallerOptions): Promise<BenchCaller> {
    const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20 });
    const caller = new BenchCaller(socket, options);
    await new Promise<void>((done) => socket.bind(0, "127.0.0.1", done));
    caller.#port = socket.address().port;
    return caller;
  }

  /** REGISTER with digest (MD5), so that later INVITEs come from a registered flow. */
  async register(seconds = 3_600): Promise<void> {
    const { domain, user, password } = this.#options;
    const [callId, tag] = [token(), token()];
    const ask = (sequence: number, extra: string) =>
      new Promise<{ status: number; text: string }>((done, fail) => {
        const timer = setTimeout(() => {
          fail(new Error("REGISTER was not answered"));
        }, CALL_LIMIT_MS);
        this.#registration = (status, text) => {
          clearTimeout(timer);
          done({ status, text });
        };
        this.#send(
          this.#request(
            "REGISTER",
            `sip:${domain}`,
            `<sip:${user}@${domain}>`,
            callId,
            tag,
            sequence,
            `${extra}Expires: ${seconds}\r\n`,
            "",
          ),
        );
      });
    const challenge = await ask(1, "");
    const { status } = await ask(2, md5Authorization(challenge.text, { user, password, domain }));
    if (status !== 200) throw new Error(`REGISTER was answered ${status}`);
  }

  /** One call from INVITE to the end of BYE. Never rejects: what did not come is undefined. */
  call(group: string, sdp: string): Promise<CallResult> {
    const { domain } = this.#options;
    const [callId, tag] = [token(), token()];
    const target = `sip:${group}@${domain}`;
    return new Promise((done) => {
      const timer = setTimeout(() => {
        finish({ answeredMs: this.#calls.get(callId)?.answeredMs, endedMs: undefined });
      }, CALL_LIMIT_MS);
      const finish = (result: CallResult) => {
        clearTimeout(timer);
        this.#calls.delete(callId);
        done(result);
      };
      this.#calls.set(callId, { callId, tag, target, invitedAt: performance.now(), byeAt: 0, finish });
      this.#send(
        this.#request(
          "INVITE",
          target,
          `<${target}>`,
          callId,
          tag,
          1,
          "Content-Type: application/sdp\r\n",
          sdp,
        ),
      );
    });
  }

  /** Local UDP port. */
  get port(): number {
    return this.#port;
  }

  /** Takes the registration back, or later calls would ring a socket that nobody reads. */
  async close(): Promise<void> {
    // An overloaded server may refuse even this.
    if (this.#registration) await this.register(0).catch(() => undefined);
    this.#socket.close();
  }

  #receive(text: string, from: number): void {
    if (!text.startsWith("SIP/2.0")) {
      this.#answer(text, from);
      return;
    }
    const status = Number(/^SIP\/2\.0 (\d{3})/.exec(text)?.[1]);
    const callId = /^Call-ID: *(\S+)/im.exec(text)?.[1] ?? "";
    const method = /^CSeq: *\d+ (\w+)/im.exec(text)?.[1];
    if (!(status >= 200)) return;
    if (method === "REGISTER") {
      this.#registration?.(status, text);
      return;
    }
    const call = this.#calls.get(callId);
    if (!call) return;
    const to = /^To: *(.+)$/im.exec(text)?.[1] ?? "";
    const contact = /^Contact: *<([^>]+)>/im.exec(text)?.[1] ?? call.target;
    const route = [...text.matchAll(/^Record-Route: *(.+)$/gim)]
      .map(([, value = ""]) => `Route: ${value.trim()}\r\n`)
      .reverse()
      .join("");
    if (method === "INVITE" && call.byeAt === 0) {
      if (status !== 200) {
        // RFC 3261 §17.1.1.3: the server would repeat a failure that nobody acknowledges.
        this.#send(this.#request("ACK", call.target, to, callId, call.tag, 1, "", ""));
        call.finish({ answeredMs: undefined, endedMs: undefined, refused: true });
        return;
      }
      call.answeredMs = performance.now() - call.invitedAt;
      this.#send(this.#request("ACK", contact, to, callId, call.tag, 1, route, ""));
      call.byeAt = performance.now();
      this.#send(this.#request("BYE", contact, to, callId, call.tag, 2, route, ""));
    } else if (method === "BYE")
      call.finish({
        answeredMs: call.answeredMs,
        endedMs: status === 200 ? performance.now() - call.byeAt : undefined,
      });
  }

  /** 200 to everything, with its INVITE's own SDP as the answer to that. */
  #answer(request: string, from: number): void {
    if (request.startsWith("ACK")) return;
    const [head = "", body = ""] = request.split(/\r\n\r\n(.*)/s);
    const copied = head.split("\r\n").filter((line) => /^(Via|From|Call-ID|CSeq|Record-Route):/i.test(line));
    const to = /^To:.*$/im.exec(head)?.[0] ?? "";
    const invited = request.startsWith("INVITE");
    const { user } = this.#options;
    this.#send(
      [
        "SIP/2.0 200 OK",
        ...copied,
        invited ? `${to};tag=${token()}` : to,
        `Contact: <sip:${user}@127.0.0.1:${this.#port}>`,
        ...(invited ? ["Content-Type: application/sdp"] : []),
        `Content-Length: ${invited ? Buffer.byteLength(body) : 0}`,
        "",
        invited ? body : "",
      ].join("\r\n"),
      from,
    );
  }

  #request(
    method: string,
    uri: string,
    to: string,
    callId: string,
    tag: string,
    sequence: number,
    extra: string,
    body: string,
  ): string {
    const { user, domain } = this.#options;
    return `${method} ${uri} SIP/2.0\r
Via: SIP/2.0/UDP 127.0.0.1:${this.#port};rport;branch=z9hG4bK${token()}\r
Max-Forwards: 70\r
From: "Bench" <sip:${user}@${domain}>;tag=${tag}\r
To: ${to}\r
Call-ID: ${callId}\r
CSeq: ${sequence} ${method}\r
Contact: <sip:${user}@127.0.0.1:${this.#port}>\r
User-Agent: crossband-bench\r
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO\r
${extra}Content-Length: ${Buffer.byteLength(body)}\r
\r
${body}`;
  }

  #send(text: string, port = this.#options.port): void {
    this.#socket.send(text, port, this.#options.host);
  }
}

const token = (): string => randomBytes(8).toString("hex");
