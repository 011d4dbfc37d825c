/** The way back to the client that registered; the same shape as a SIP flow. */
export interface BindingFlow {
  readonly transport: "udp" | "tcp" | "tls" | "ws" | "wss";
  readonly host: string;
  readonly port: number;
  /** For stream transports: the process that owns the socket, and its name there. */
  readonly instance?: string;
  readonly connection?: string;
}

/** What a REGISTER says of one contact. */
export interface Contact {
  /** Contact URI as the client wrote it. */
  readonly uri: string;
  /** 0 to 1000 thousandths, preference among several (RFC 3261 §20.10). */
  readonly q: number;
  readonly flow: BindingFlow;
  /** Proxies to go through, the next one first (RFC 3327). */
  readonly path?: readonly string[];
  readonly userAgent?: string;
  /** RFC 5626 §4.1: names the device over its restarts. */
  readonly instanceId?: string;
  readonly regId?: number;
}

/** A contact that is reachable until it expires. */
export interface Binding extends Contact {
  /** Names the binding among the user's: the device and flow number, or the contact URI. */
  readonly key: string;
  /** Call-ID of the REGISTER that made it. */
  readonly callId: string;
  readonly expiresAtMs: number;
  /** Seconds left by the server's clock when it was read. */
  readonly expiresInS: number;
}

/** Reads the script's `{"bound", now, key, field, …}`, most preferred first. */
export function bindingsOf(reply: readonly string[]): Binding[] {
  const now = Number(reply[1]);
  const bindings: Binding[] = [];
  for (let i = 2; i + 1 < reply.length; i += 2) {
    const [, expiry, callId = "", json] = /^(\d+) \d+ (\S+) (.*)$/s.exec(reply[i + 1] ?? "") ?? [];
    if (json === undefined) throw new Error("registration: stored binding has no record");
    const expiresAtMs = Number(expiry);
    bindings.push({
      ...(JSON.parse(json) as Contact),
      key: reply[i] ?? "",
      callId,
      expiresAtMs,
      expiresInS: Math.max(0, Math.ceil((expiresAtMs - now) / 1_000)),
    });
  }
  return bindings.sort((a, b) => b.q - a.q || b.expiresAtMs - a.expiresAtMs || (a.key < b.key ? -1 : 1));
}
