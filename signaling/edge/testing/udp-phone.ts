import { once } from "node:events";
import { createSocket } from "node:dgram";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { parseMessage } from "#signaling/edge/message/parse.ts";

export const SDP =
  "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n";

export interface RequestOptions {
  readonly method: string;
  readonly seq: number;
  readonly branch: string;
  readonly toTag?: string;
  readonly fromTag?: string;
  readonly callId?: string;
  readonly headers?: string;
  readonly body?: string;
}

/** A phone that does only what it is told: every retransmission, every wrong order is the test's own. */
export async function openUdpPhone(name = `p${Math.random().toString(36).slice(2, 10)}`, host = "127.0.0.1") {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  socket.bind(0, host);
  await once(socket, "listening");
  const { port } = socket.address();
  const inbox: SipMessage[] = [];
  const waiting: { matches: (message: SipMessage) => boolean; resolve: (message: SipMessage) => void }[] = [];
  socket.on("message", (packet) => {
    const parsed = parseMessage(packet.toString("latin1"));
    if (!parsed.ok)
      throw new Error(`edge sent a malformed message: ${parsed.reason}\n${packet.toString("latin1")}`);
    const at = waiting.findIndex(({ matches }) => matches(parsed.message));
    if (at === -1) inbox.push(parsed.message);
    else waiting.splice(at, 1)[0]?.resolve(parsed.message);
  });

  const next = (
    what: number | string | ((message: SipMessage) => boolean),
    limitMs = 5_000,
  ): Promise<SipMessage> => {
    const matches =
      typeof what === "number"
        ? (message: SipMessage) => message.status === what
        : typeof what === "string"
          ? (message: SipMessage) => message.kind === "request" && message.method === what
          : what;
    const at = inbox.findIndex(matches);
    const [found] = at === -1 ? [] : inbox.splice(at, 1);
    if (found) return Promise.resolve(found);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const seen = inbox.map((message) => message.text.split("\r\n", 1)[0]).join(", ");
        reject(
          new Error(
            `no ${typeof what === "function" ? "such message" : what} in ${limitMs} ms; got: ${seen}`,
          ),
        );
      }, limitMs);
      waiting.push({
        matches,
        resolve(message) {
          clearTimeout(timer);
          resolve(message);
        },
      });
    });
  };

  const request = (options: RequestOptions): string => {
    const { method, seq, branch, headers = "", body = "" } = options;
    const toTag = options.toTag === undefined ? "" : `;tag=${options.toTag}`;
    return (
      `${method} sip:group@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${port};branch=z9hG4bK${branch};rport\r\n` +
      `Max-Forwards: 70\r\nFrom: "A" <sip:alice@crossband.local>;tag=${options.fromTag ?? name}\r\nTo: <sip:group@127.0.0.1>${toTag}\r\n` +
      `Call-ID: ${options.callId ?? `${name}@test`}\r\nCSeq: ${seq} ${method}\r\nContact: <sip:alice@127.0.0.1:${port}>\r\n` +
      `${body === "" ? "" : "Content-Type: application/sdp\r\n"}${headers}Content-Length: ${body.length}\r\n\r\n${body}`
    );
  };

  return {
    name,
    port,
    /** Messages that no `next` has taken. */
    inbox,
    next,
    request,
    invite: (branch = `${name}i`) => request({ method: "INVITE", seq: 1, branch, body: SDP }),
    send(to: number, text: string): void {
      socket.send(Buffer.from(text, "latin1"), to, host);
    },
    close(): void {
      socket.close();
    },
  };
}

export type UdpPhone = Awaited<ReturnType<typeof openUdpPhone>>;

/** A response of the phone to a request that it got. */
export function answerOf(
  phone: Pick<UdpPhone, "port">,
  got: SipMessage,
  status = 200,
  options: { readonly body?: string; readonly toTag?: string; readonly headers?: string } = {},
): string {
  const {
    toTag = "bob",
    headers = "",
    body = got.method === "INVITE" && status === 200 ? SDP : "",
  } = options;
  const copied = ["Via", "Record-Route", "From", "Call-ID", "CSeq"].flatMap((name) =>
    got.headers(name).map((value) => `${name}: ${value}\r\n`),
  );
  const to =
    got.to.tag === undefined && status > 100 ? `${got.header("To") ?? ""};tag=${toTag}` : got.header("To");
  const type = body === "" ? "" : "Content-Type: application/sdp\r\n";
  return `SIP/2.0 ${status} X\r\n${copied.join("")}To: ${to ?? ""}\r\nContact: <sip:bob@127.0.0.1:${phone.port}>\r\n${headers}${type}Content-Length: ${body.length}\r\n\r\n${body}`;
}
