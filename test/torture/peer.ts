import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { faultOf } from "./well-formed.ts";

/** What the server's messages come to. */
export class Answers {
  count = 0;
  readonly faults: { readonly fault: string; readonly text: string }[] = [];
  readonly byStatus = new Map<string, number>();
  /** Tags of calls that the server has answered, the newest last. */
  readonly dialogs: string[] = [];

  note(text: string): void {
    this.count++;
    const kind = text.startsWith("SIP/2.0 ") ? text.slice(8, 11) : text.slice(0, text.indexOf(" "));
    this.byStatus.set(kind, (this.byStatus.get(kind) ?? 0) + 1);
    const fault = faultOf(text);
    if (fault !== undefined && this.faults.length < 50) this.faults.push({ fault, text });
  }
}

const MAX_DIALOGS = 32;

/** One address of the loopback that sends and answers over UDP. */
export class UdpPeer {
  private readonly socket: Socket;
  private readonly port: number;
  private readonly answers: Answers;

  private constructor(socket: Socket, port: number, answers: Answers) {
    this.socket = socket;
    this.port = port;
    this.answers = answers;
    socket.on("message", (bytes) => {
      this.receive(bytes.toString("latin1"));
    });
    socket.on("error", () => undefined);
  }

  static async open(address: string, port: number, answers: Answers): Promise<UdpPeer> {
    const socket = createSocket({ type: "udp4", recvBufferSize: 1 << 20 });
    socket.bind(0, address);
    await once(socket, "listening");
    return new UdpPeer(socket, port, answers);
  }

  send(text: string): void {
    this.socket.send(Buffer.from(text.slice(0, 65_000), "latin1"), this.port, "127.0.0.1", () => undefined);
  }

  close(): void {
    this.socket.close();
  }

  private receive(text: string): void {
    this.answers.note(text);
    if (!text.startsWith("SIP/2.0 ")) {
      if (!text.startsWith("ACK ")) this.send(responseTo(text));
      return;
    }
    const final = !text.startsWith("SIP/2.0 1");
    if (!final || !/^CSeq:\s*\d+\s+INVITE/im.test(text)) return;
    this.send(requestAfter(text, "ACK"));
    if (!text.startsWith("SIP/2.0 2")) return;
    const tag = /^To:.*;tag=([0-9a-z]+\.\d+)/im.exec(text)?.[1];
    if (tag !== undefined) this.answers.dialogs.push(tag);
    if (this.answers.dialogs.length > MAX_DIALOGS) this.answers.dialogs.shift();
    // Nine of ten calls end at once; the others are there for what comes next.
    if (Math.random() < 0.9) this.send(requestAfter(text, "BYE"));
  }
}

const copied = (text: string, names: string): string[] =>
  text.split("\r\n\r\n", 1)[0]?.split("\r\n").filter((line) => new RegExp(`^(?:${names})\\s*:`, "i").test(line)) ?? []; // prettier-ignore

function responseTo(request: string): string {
  return ["SIP/2.0 200 OK", ...copied(request, "Via|From|To|Call-ID|CSeq"), "Content-Length: 0", "", ""].join(
    "\r\n",
  );
}

function requestAfter(response: string, method: "ACK" | "BYE"): string {
  const via = copied(response, "Via").slice(0, 1).map((line) => (method === "BYE" ? line.replace(/branch=/, "branch=z9hG4bKbye") : line)); // prettier-ignore
  const seq = Number(/^CSeq:\s*(\d+)/im.exec(response)?.[1] ?? "1") + (method === "BYE" ? 1 : 0);
  const lines = [
    `${method} sip:torture@127.0.0.1 SIP/2.0`,
    ...via,
    "Max-Forwards: 70",
    ...copied(response, "From|To|Call-ID"),
  ];
  return [...lines, `CSeq: ${seq} ${method}`, "Content-Length: 0", "", ""].join("\r\n");
}

/** How long a stream is listened to after its last byte, in ms. */
const QUIET_MS = 300;

/** Sends messages over one TCP connection and notes every answer, until it is quiet or closed. */
export async function overTcp(
  address: string,
  port: number,
  messages: readonly string[],
  answers: Answers,
): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port, localAddress: address });
  let received = "";
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
  });
  socket.on("error", () => undefined);
  const closed = once(socket, "close").catch(() => undefined);
  for (const message of messages) socket.write(message, "latin1");
  socket.setTimeout(QUIET_MS, () => socket.destroy());
  await closed;
  while (received !== "") {
    if (received.startsWith("\r\n")) {
      received = received.slice(2);
      continue;
    }
    const end = received.indexOf("\r\n\r\n");
    const length = Number(/\r\nContent-Length: *(\d+)/i.exec(received.slice(0, end + 2))?.[1] ?? NaN);
    // A connection that is cut may cut a message.
    if (end === -1 || received.length < end + 4 + length) return;
    const size = Number.isNaN(length) ? received.length : end + 4 + length;
    answers.note(received.slice(0, size));
    received = received.slice(size);
  }
}
