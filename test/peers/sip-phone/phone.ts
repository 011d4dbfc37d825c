import { answerChallenge, parseChallenge, type Challenge } from "./digest.ts";
import { Call } from "./call.ts";
import { Dialog } from "./dialog.ts";
import { IncomingCall } from "./incoming-call.ts";
import { Mailbox } from "./mailbox.ts";
import { OutgoingCall, type InviteOptions } from "./outgoing-call.ts";
import { RtpStream } from "./rtp-stream.ts";
import type { Codec } from "./sdp.ts";
import {
  SipEndpoint,
  token,
  type Destination,
  type NewRequest,
  type RequestOptions,
} from "./sip-endpoint.ts";
import { openTcp, openTls, openUdp, openWs, type SipTransport } from "./sip-transport.ts";
import {
  parameterOf,
  requiredValue,
  valueOf,
  valuesOf,
  type SipRequest,
  type SipResponse,
} from "./sip-text.ts";

export interface PhoneOptions {
  /** `host:port` of the SIP server. */
  readonly server: string;
  readonly domain: string;
  readonly user: string;
  readonly password?: string;
  readonly displayName?: string;
  readonly transport?: "udp" | "tcp" | "tls" | "ws" | "wss";
  /** Names the device in REGISTER, whatever its connection (RFC 5626): a URN. */
  readonly device?: string;
  /** Number of this connection among those of the device; 1 unless said. */
  readonly flow?: number;
  /** Private address that it takes for its own: it stands behind an address translator. */
  readonly behind?: string;
  /** Our own address. */
  readonly host?: string;
  /** What we offer and take, best first. */
  readonly codecs?: readonly Codec[];
  /** Answers each call by itself, or leaves it to `incoming()`. */
  readonly answer?: "auto" | "manual";
}

export interface TextMessage {
  readonly from: string;
  readonly text: string;
}

/** A small real SIP and RTP phone for tests: `await createPhone({ server, domain, user, password })`. */
export class Phone {
  readonly options: Required<Omit<PhoneOptions, "device" | "flow" | "behind">> &
    Pick<PhoneOptions, "device" | "flow" | "behind">;
  server: Destination;
  readonly endpoint: SipEndpoint;
  /** Every call of this phone that has not ended. */
  readonly calls = new Set<Call>();
  /** Statuses of the challenges answered, newest last: how the server asks for the password. */
  readonly challenges: Challenge[] = [];
  /** Told when the server, or the network, has ended the connection. */
  onLost: () => void = () => undefined;
  /** Who takes NOTIFYs, by Call-ID. */
  readonly watches = new Map<string, (request: SipRequest) => void>();
  readonly #incoming = new Mailbox<IncomingCall>("incoming call");
  readonly #messages = new Mailbox<TextMessage>("text message");
  readonly #ringing = new Map<string, IncomingCall>();
  readonly #registration = { callId: token(), tag: token(), sequence: 0 };
  #nonceCount = 0;

  constructor(options: Phone["options"], server: Destination, transport: SipTransport) {
    this.options = options;
    this.server = server;
    this.endpoint = new SipEndpoint(transport, server);
    this.endpoint.onRequest = (request) => {
      this.#receive(request);
    };
  }

  get uri(): string {
    return `sip:${this.options.user}@${this.options.domain}`;
  }
  get nameAddr(): string {
    return `"${this.options.displayName}" <${this.uri}>`;
  }
  get contact(): string {
    if (this.options.behind !== undefined) return `<sip:${this.options.user}@${this.options.behind}>`;
    const { host, port, protocol } = this.endpoint.transport;
    const address = `${host.includes(":") ? `[${host}]` : host}${port === 0 ? "" : `:${port}`}`;
    // RFC 7118 §5.2: `ws` in a URI, be it over TLS or not.
    const transport = protocol === "WSS" ? "ws" : protocol.toLowerCase();
    return `<sip:${this.options.user}@${address}${protocol === "UDP" ? "" : `;transport=${transport}`}>`;
  }
  /** The contact as REGISTER says it: with what names the device and its connection (RFC 5626 §4.1). */
  get registeredContact(): string {
    const { device, flow = 1 } = this.options;
    return device === undefined ? this.contact : `${this.contact};+sip.instance="<${device}>";reg-id=${flow}`;
  }

  /** Registers; the granted expiry in seconds. Throws with the status when it is refused. */
  async register({
    expires = 300,
    deadlineMs,
  }: { expires?: number; deadlineMs?: number } = {}): Promise<number> {
    const response = await this.tryRegister({ expires, ...(deadlineMs !== undefined && { deadlineMs }) });
    if (response.status !== 200)
      throw new Error(`REGISTER was answered ${response.status} ${response.reason}`);
    const own = valuesOf(response, "contact").find((contact) => contact.includes(this.contact.slice(1, -1)));
    return Number((own && parameterOf(own, "expires")) ?? valueOf(response, "expires") ?? expires);
  }

  unregister(): Promise<number> {
    return this.register({ expires: 0 });
  }

  /** REGISTER whatever the answer. */
  tryRegister({
    expires = 300,
    deadlineMs,
  }: { expires?: number; deadlineMs?: number } = {}): Promise<SipResponse> {
    const registration = this.#registration;
    const draft = (): NewRequest => ({
      method: "REGISTER",
      uri: `sip:${this.options.domain}`,
      headers: [
        ["From", `${this.nameAddr};tag=${registration.tag}`],
        ["To", this.nameAddr],
        ["Call-ID", registration.callId],
        ["CSeq", `${++registration.sequence} REGISTER`],
        ["Contact", this.registeredContact],
        ["Expires", String(expires)],
        ...(this.options.device === undefined ? [] : [["Supported", "outbound"] as const]),
      ],
      body: "",
    });
    return this.requestWithDigest(draft, {
      to: this.server,
      ...(deadlineMs !== undefined && { deadlineMs }),
    });
  }

  /** Calls and waits for the answer; throws `CallRefused` when it is not 200. */
  async call(target: string, options: InviteOptions = {}): Promise<Call> {
    return (await this.invite(target, options)).answered;
  }

  /** Starts a call: for ringing, CANCEL, and refusals. */
  async invite(target: string, options: InviteOptions = {}): Promise<OutgoingCall> {
    return new OutgoingCall(this, target, await RtpStream.open(this.options.host), options);
  }

  /** The next call to us, ringing since it came. */
  incoming(deadlineMs = 5_000): Promise<IncomingCall> {
    return this.#incoming.next(deadlineMs, () => this.endpoint.recent());
  }

  /** The next text message to us. */
  nextMessage(deadlineMs = 5_000): Promise<TextMessage> {
    return this.#messages.next(deadlineMs, () => this.endpoint.recent());
  }

  /** Sends a MESSAGE; its final response. */
  message(target: string, text: string): Promise<SipResponse> {
    return this.outside("MESSAGE", target, [["Content-Type", "text/plain;charset=UTF-8"]], text);
  }

  /** Asks the server, or someone behind it, what it can do. */
  askOptions(target?: string): Promise<SipResponse> {
    return this.outside("OPTIONS", target, [["Accept", "application/sdp"]]);
  }

  /** Any request outside a dialog, challenges answered. */
  outside(
    method: string,
    target: string | undefined,
    extra: readonly (readonly [string, string])[] = [],
    body = "",
  ): Promise<SipResponse> {
    const uri = this.uriFor(target);
    const [callId, tag] = [token(), token()];
    let sequence = 0;
    const draft = (): NewRequest => ({
      method,
      uri,
      headers: [
        ["From", `${this.nameAddr};tag=${tag}`],
        ["To", `<${uri}>`],
        ["Call-ID", callId],
        ["CSeq", `${++sequence} ${method}`],
        ["Contact", this.contact],
        ...extra,
      ],
      body,
    });
    return this.requestWithDigest(draft, { to: this.server });
  }

  /** `alice`, `+15551230001` or a whole URI; undefined is the server itself. */
  uriFor(target: string | undefined): string {
    if (target === undefined) return `sip:${this.options.domain}`;
    return /^(sips?|tel|urn):/.test(target) ? target : `sip:${target}@${this.options.domain}`;
  }

  /** Sends a request, and once more with credentials when it is challenged (RFC 3261 §22). */
  async requestWithDigest(draft: () => NewRequest, options: RequestOptions): Promise<SipResponse> {
    const first = draft();
    const response = await this.endpoint.request(first, options);
    const proxy = response.status === 407;
    if (response.status !== 401 && !proxy) return response;
    const challenge = valuesOf(response, proxy ? "proxy-authenticate" : "www-authenticate")
      .map(parseChallenge)
      .find((known) => known !== undefined);
    if (!challenge) throw new Error(`challenge without one we know\n${this.endpoint.recent()}`);
    this.challenges.push(challenge);
    const second = draft();
    const value = answerChallenge(challenge, this.options, {
      method: second.method,
      uri: second.uri,
      count: ++this.#nonceCount,
    });
    const header = [proxy ? "Proxy-Authorization" : "Authorization", value] as const;
    return this.endpoint.request({ ...second, headers: [...second.headers, header] }, options);
  }

  /** Builds a call; the phone forgets it when it ends. */
  makeCall(dialog: Dialog, rtp: RtpStream, codecs = this.options.codecs): Call {
    const { endpoint, contact } = this;
    const onEnded = (ended: Call) => {
      this.calls.delete(ended);
    };
    return new Call({ endpoint, dialog, rtp, codecs, host: this.options.host, contact, onEnded });
  }

  /** Loses its connection, as when a network goes away. Calls go on. */
  disconnect(): void {
    this.endpoint.transport.close();
  }

  /** Connects again, perhaps elsewhere; says nothing by itself. */
  async reconnect(server = `${this.server.host}:${this.server.port}`): Promise<void> {
    this.endpoint.transport.close();
    this.server = destinationOf(server);
    this.endpoint.transport = await openTransport(this.options, this.server, this);
  }

  /** Closes sockets at once; running calls are dropped as by a power cut. */
  close(): void {
    for (const call of this.calls) call.finish("us", "phone closed");
    for (const ringing of this.#ringing.values()) ringing.drop();
    this.endpoint.close();
  }

  #receive(request: SipRequest): void {
    const callId = requiredValue(request, "call-id");
    const call = [...this.calls].find(({ id }) => id === callId);
    const ringing = this.#ringing.get(callId);
    if (request.method === "CANCEL") {
      this.endpoint.respond(request, ringing ? 200 : 481, ringing ? "OK" : "Call/Transaction Does Not Exist");
      ringing?.cancelled();
      this.#ringing.delete(callId);
    } else if (request.method === "NOTIFY" && this.watches.has(callId)) this.watches.get(callId)?.(request);
    else if (call) call.receive(request);
    else if (request.method === "INVITE") void this.#ring(request, callId);
    else if (request.method === "MESSAGE") {
      this.endpoint.respond(request, 200, "OK");
      this.#messages.put({ from: requiredValue(request, "from"), text: request.body });
    } else if (request.method === "OPTIONS")
      this.endpoint.respond(request, 200, "OK", [
        ["Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO"],
      ]);
    else if (request.method !== "ACK") this.endpoint.respond(request, 481, "Call/Transaction Does Not Exist");
  }

  async #ring(invite: SipRequest, callId: string): Promise<void> {
    const call = this.makeCall(Dialog.from(invite, this.server), await RtpStream.open(this.options.host));
    const incoming = new IncomingCall(this, invite, call, () => this.#ringing.delete(callId));
    this.#ringing.set(callId, incoming);
    if (this.options.answer === "auto") incoming.answer();
    else incoming.ring();
    this.#incoming.put(incoming);
  }
}

/** Opens a phone on a free port. */
export async function createPhone(options: PhoneOptions): Promise<Phone> {
  const {
    host = "127.0.0.1",
    transport = "udp",
    codecs = ["PCMU", "PCMA"],
    answer = "manual",
    password = "",
    displayName = options.user,
  } = options;
  const server = destinationOf(options.server);
  const ready: { phone?: Phone } = {};
  const opened = await openTransport({ host, transport }, server, {
    get endpoint() {
      return ready.phone?.endpoint;
    },
    onLost() {
      ready.phone?.onLost();
    },
  });
  const phone = new Phone(
    { ...options, host, transport, codecs, answer, password, displayName },
    server,
    opened,
  );
  ready.phone = phone;
  return phone;
}

/** Whoever owns a transport. */
interface Owner {
  readonly endpoint: Pick<SipEndpoint, "receive"> | undefined;
  onLost(): void;
}

function openTransport(
  { host, transport }: Pick<Phone["options"], "host" | "transport">,
  server: Destination,
  owner: Owner,
): Promise<SipTransport> {
  const onMessage = (text: string) => {
    owner.endpoint?.receive(text);
  };
  const onClosed = () => {
    owner.onLost();
  };
  switch (transport) {
    case "udp":
      return openUdp(host, onMessage);
    case "tcp":
      return openTcp(host, server, onMessage, onClosed);
    case "tls":
      return openTls(host, server, onMessage, onClosed);
    case "ws":
    case "wss":
      return openWs(transport === "ws" ? "WS" : "WSS", server, onMessage, onClosed);
  }
}

function destinationOf(server: string): Destination {
  const at = server.lastIndexOf(":");
  return { host: server.slice(0, at).replace(/^\[(.*)\]$/, "$1"), port: Number(server.slice(at + 1)) };
}
