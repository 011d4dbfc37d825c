import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { md5Authorization } from "./md5-authorization.ts";

export interface CrowdOptions {
  readonly port: number;
  readonly domain: string;
  /** Name and password of each member, by its number. */
  readonly member: (number: number) => { readonly user: string; readonly password: string };
}

/** RFC 3261 §17.1.2.2: a REGISTER without an answer is sent again. */
const RESEND_MS = 1_000;
const MAX_SENDS = 8;
/** Members that wait for an answer at once. */
const WINDOW = 100;

interface Member {
  readonly user: string;
  readonly password: string;
  readonly callId: string;
  seq: number;
  /** The last 401, whose nonce a refresh uses again. */
  challenged: string;
}

/** Many users behind one UDP socket: each registers, and refreshes later with the nonce that it has. */
export class RegisteringCrowd {
  /** REGISTERs that had to be sent again. */
  repeated = 0;
  private readonly socket: Socket;
  private readonly options: CrowdOptions;
  private readonly members = new Map<number, Member>();
  private readonly waiting = new Map<string, (status: number, text: string) => void>();

  private constructor(socket: Socket, options: CrowdOptions) {
    this.socket = socket;
    this.options = options;
    socket.on("message", (bytes) => {
      const text = bytes.toString("latin1");
      const key = `${/^Call-ID: *(\S+)/im.exec(text)?.[1] ?? ""} ${/^CSeq: *(\d+)/im.exec(text)?.[1] ?? ""}`;
      this.waiting.get(key)?.(Number(text.slice(8, 11)), text);
    });
  }

  static async open(options: CrowdOptions): Promise<RegisteringCrowd> {
    const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20 });
    await new Promise<void>((done) => socket.bind(0, "127.0.0.1", done));
    return new RegisteringCrowd(socket, options);
  }

  /** Registers members `from` to `to` (not included) as fast as they are answered; how many succeeded. */
  async register(from: number, to: number): Promise<number> {
    let [next, done] = [from, 0];
    const worker = async (): Promise<void> => {
      while (next < to) if (await this.registerOne(next++)) done++;
    };
    await Promise.all(Array.from({ length: WINDOW }, worker));
    return done;
  }

  close(): void {
    this.socket.close();
  }

  private async registerOne(number: number): Promise<boolean> {
    let member = this.members.get(number);
    if (!member) {
      member = {
        ...this.options.member(number),
        callId: randomBytes(8).toString("hex"),
        seq: 0,
        challenged: "",
      };
      this.members.set(number, member);
    }
    const first = await this.ask(member);
    if (first.status !== 401) return first.status === 200;
    member.challenged = first.text.slice(0, first.text.indexOf("\r\n\r\n"));
    return (await this.ask(member)).status === 200;
  }

  private async ask(member: Member): Promise<{ status: number; text: string }> {
    const { domain } = this.options;
    const { user, callId, challenged } = member;
    const seq = ++member.seq;
    const { port } = this.socket.address();
    const request = `REGISTER sip:${domain} SIP/2.0\r
Via: SIP/2.0/UDP 127.0.0.1:${port};rport;branch=z9hG4bK${callId}${seq}\r
Max-Forwards: 70\r
From: <sip:${user}@${domain}>;tag=${callId}\r
To: <sip:${user}@${domain}>\r
Call-ID: ${callId}\r
CSeq: ${seq} REGISTER\r
Contact: <sip:${user}@127.0.0.1:${port}>\r
User-Agent: crossband-bench\r
Expires: 3600\r
${challenged === "" ? "" : md5Authorization(challenged, { ...member, domain })}Content-Length: 0\r
\r
`;
    const key = `${callId} ${seq}`;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise((done) => {
        let sends = 0;
        const send = (): void => {
          if (sends === MAX_SENDS) {
            done({ status: 408, text: "" });
            return;
          }
          if (sends++ > 0) this.repeated++;
          this.socket.send(request, this.options.port, "127.0.0.1");
          timer = setTimeout(send, RESEND_MS);
        };
        this.waiting.set(key, (status, text) => {
          done({ status, text });
        });
        send();
      });
    } finally {
      clearTimeout(timer);
      this.waiting.delete(key);
    }
  }
}
