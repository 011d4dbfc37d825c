import { createHash, randomBytes } from "node:crypto";
import { buildResponse } from "#signaling/edge/message/build.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import { openUdpWire, type From, type Wire } from "./carrier-wire.ts";

/** What a carrier says to a request: a status, with headers and a body. Undefined: nothing. */
export interface Reply {
  readonly status: number;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string;
}
export type Answer = (request: SipMessage) => Reply | undefined;

export const CARRIER_SDP = [
  "v=0", "o=- 7 7 IN IP4 127.0.0.9", "s=carrier", "c=IN IP4 127.0.0.9", "t=0 0", "m=audio 49000 RTP/AVP 0 101",
  "a=rtpmap:0 PCMU/8000", "a=rtpmap:101 telephone-event/8000", "a=sendrecv", "",
].join("\r\n"); // prettier-ignore

const TIMEOUT_MS = 6_000;

/**
 * One peer of a trunk on a loopback address of its own, over UDP unless another wire is given. It answers by rule and says what it got; retransmissions are answered
 * again and shown once.
 */
export async function openCarrier(host = "127.0.0.1", wire?: Wire) {
  const own = wire ?? (await openUdpWire(host, 0));
  const { transport, port: bound } = own;
  const got: SipMessage[] = [];
  const waiting: { method: string; resolve: (message: SipMessage) => void }[] = [];
  const seen = new Map<string, string>();
  const origins = new Map<string, From>();
  const responses = new Map<string, (message: SipMessage) => void>();
  const rules = new Map<string, Answer>([["OPTIONS", () => ({ status: 200 })]]);
  const parameter = transport === "udp" ? "" : `;transport=${transport}`;
  const contact = `<sip:carrier@${host}:${bound}${parameter}>`;
  let made = 0;
  let repeated = 0;

  const receive = (message: SipMessage, from: From): void => {
    const key = `${message.cseq.method} ${message.topVia.branch ?? ""}`;
    if (message.kind === "response") {
      if (message.status >= 200) responses.get(key)?.(message);
      return;
    }
    const sent = seen.get(key);
    if (sent !== undefined) {
      repeated++;
      origins.set(key, from);
      if (sent !== "") own.send(sent, from);
      return;
    }
    seen.set(key, "");
    origins.set(key, from);
    const at = waiting.findIndex(({ method }) => method === message.method);
    if (at === -1) got.push(message);
    else waiting.splice(at, 1)[0]?.resolve(message);
    if (message.method === "ACK") return;
    const reply = (rules.get(message.method) ?? (() => ({ status: 200 })))(message);
    if (reply) answer(message, reply);
  };

  const answer = (request: SipMessage, reply: Reply): void => {
    const key = `${request.cseq.method} ${request.topVia.branch ?? ""}`;
    const from = origins.get(key);
    const text = buildResponse(request, {
      status: reply.status,
      toTag: reply.status === 100 ? undefined : (request.to.tag ?? `c${host.replaceAll(".", "")}`),
      headers: [
        ...(request.method === "INVITE" ? ([["Contact", contact]] as const) : []),
        ...(reply.headers ?? []),
      ],
      body: reply.body,
      contentType: reply.body === undefined ? undefined : "application/sdp",
    });
    seen.set(key, text);
    if (from) own.send(text, from);
  };

  own.onText = (text, from) => {
    const parsed = parseMessage(text);
    if (!parsed.ok) throw new Error(`carrier got a malformed message: ${parsed.reason}`);
    receive(parsed.message, from);
  };

  return {
    host,
    port: bound,
    peer: `${host}:${bound}${parameter}`,
    /** Requests that no `next` has taken. */
    got,
    /** Requests that came again. */
    get repeated() {
      return repeated;
    },
    /** Answers a method by this rule from now on. */
    on(method: string, rule: Answer): void {
      rules.set(method, rule);
    },
    /** Answers a request that a rule left open, where it came from. */
    answer(request: SipMessage, reply: Reply): void {
      answer(request, reply);
    },
    /** The next request of a method; what came before and was not taken counts. */
    next(method: string, limitMs = TIMEOUT_MS): Promise<SipMessage> {
      const at = got.findIndex((message) => message.method === method);
      const [found] = at === -1 ? [] : got.splice(at, 1);
      if (found) return Promise.resolve(found);
      return new Promise((resolve, reject) => {
        const limit = setTimeout(() => {
          reject(new Error(`no ${method} in ${limitMs} ms; got ${got.map((one) => one.method).join(", ")}`));
        }, limitMs);
        waiting.push({
          method,
          resolve(message) {
            clearTimeout(limit);
            resolve(message);
          },
        });
      });
    },
    /** Sends a request, and again until it is answered; resolves with the final response. An INVITE's 2xx must be acknowledged by the caller. */
    request(server: string, parts: CarrierRequest): Promise<SipMessage> {
      const branch = `z9hG4bKc${randomBytes(6).toString("hex")}`;
      const seq = parts.seq ?? ++made;
      const lines = [
        `${parts.method} ${parts.uri} SIP/2.0`, `Via: SIP/2.0/${transport.toUpperCase()} ${host}:${bound};branch=${branch};rport`, "Max-Forwards: 70",
        `From: ${parts.from}`, `To: ${parts.to}`, `Call-ID: ${parts.callId}`, `CSeq: ${seq} ${parts.method}`,
        `Contact: ${contact}`, ...(parts.headers ?? []).map(([name, value]) => `${name}: ${value}`),
        ...(parts.body === undefined ? [] : ["Content-Type: application/sdp"]), `Content-Length: ${(parts.body ?? "").length}`,
      ]; // prettier-ignore
      const text = `${lines.join("\r\n")}\r\n\r\n${parts.body ?? ""}`;
      const send = () => {
        own.send(text, addressOf(server));
      };
      send();
      if (parts.method === "ACK") return Promise.reject(new Error("nothing answers an ACK"));
      const again = setInterval(transport === "udp" ? send : () => undefined, 500);
      return new Promise<SipMessage>((resolve, reject) => {
        const limit = setTimeout(() => {
          reject(new Error(`${parts.method} was not answered`));
        }, TIMEOUT_MS);
        responses.set(`${parts.method} ${branch}`, (message) => {
          clearTimeout(limit);
          resolve(message);
        });
      }).finally(() => {
        clearInterval(again);
      });
    },
    /** Sends these bytes, whatever they are. */
    send(server: string, text: string): void {
      own.send(text, addressOf(server));
    },
    /** Acknowledges a 2xx. */
    ack(server: string, parts: CarrierRequest): void {
      this.request(server, { ...parts, method: "ACK" }).catch(() => undefined);
    },
    close(): void {
      own.close();
    },
  };
}

export type Carrier = Awaited<ReturnType<typeof openCarrier>>;

export interface CarrierRequest {
  readonly method: string;
  readonly uri: string;
  readonly from: string;
  readonly to: string;
  readonly callId: string;
  readonly seq?: number;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string;
}

function addressOf(server: string): From {
  const at = server.lastIndexOf(":");
  return { port: Number(server.slice(at + 1)), address: server.slice(0, at) };
}

/** Whether a request proves an account's password to a carrier's challenge of this nonce (RFC 7616 §3.4.1). */
export function proves(
  request: SipMessage,
  account: { username: string; password: string },
  nonce: string,
): boolean {
  const header = request.header("authorization") ?? request.header("proxy-authorization") ?? "";
  const get = (name: string) => new RegExp(`[ ,]${name}="?([^",]*)"?`).exec(header)?.[1] ?? "";
  const md5 = get("algorithm") !== "SHA-256";
  const hash = (text: string) =>
    createHash(md5 ? "md5" : "sha256")
      .update(text)
      .digest("hex");
  if (get("nonce") !== nonce || get("username") !== account.username) return false;
  const ha1 = hash(`${account.username}:${get("realm")}:${account.password}`);
  const ha2 = hash(`${request.method}:${get("uri")}`);
  const expected =
    get("qop") === "auth"
      ? hash(`${ha1}:${nonce}:${get("nc")}:${get("cnonce")}:auth:${ha2}`)
      : hash(`${ha1}:${nonce}:${ha2}`);
  return expected === get("response");
}

/** A rule that challenges every request which does not prove the account, and hands on those that do. */
export function challenging(
  account: { username: string; password: string },
  then: Answer,
  {
    nonce = "n1",
    algorithm = "MD5",
    proxy = false,
  }: { nonce?: string; algorithm?: "MD5" | "SHA-256"; proxy?: boolean } = {},
): Answer {
  return (request) =>
    proves(request, account, nonce)
      ? then(request)
      : {
          status: proxy ? 407 : 401,
          headers: [
            [
              proxy ? "Proxy-Authenticate" : "WWW-Authenticate",
              `Digest realm="carrier.example", nonce="${nonce}", algorithm=${algorithm}, qop="auth"`,
            ],
          ],
        };
}

/**
 * The rules of a carrier that wants credentials in every request and takes each nonce once: whoever comes with an older one
 * is told that it is stale.
 */
export function oneTimeNonces(
  account: { username: string; password: string },
  { algorithm = "MD5", proxy = false }: { algorithm?: "MD5" | "SHA-256"; proxy?: boolean } = {},
): (then: Answer) => Answer {
  let spent = 0;
  const nameOf = (count: number): string => `once-${count}`;
  return (then) => (request) => {
    if (proves(request, account, nameOf(spent))) {
      spent++;
      return then(request);
    }
    const stale = Array.from({ length: spent }, (_, count) => nameOf(count)).some((nonce) =>
      proves(request, account, nonce),
    );
    const challenge = `Digest realm="carrier.example", nonce="${nameOf(spent)}", algorithm=${algorithm}, qop="auth"`;
    return {
      status: proxy ? 407 : 401,
      headers: [
        [proxy ? "Proxy-Authenticate" : "WWW-Authenticate", `${challenge}${stale ? ", stale=true" : ""}`],
      ],
    };
  };
}

/** A registrar's 200: the contact with its expiry. */
export const registered =
  (seconds: number): Answer =>
  (request) => ({
    status: 200,
    headers: [["Contact", `<${request.contacts[0]?.uriText ?? ""}>;expires=${seconds}`]],
  });
