const SIGNAL = /^\s*Signal\s*=\s*([0-9A-Da-d*#])\s*$/m;
/** Some phones write star and hash by their event numbers (RFC 4733 §3.2). */
const EVENT = /^\s*Signal\s*=\s*(1[01])\s*$/m;

/** The telephone key that an INFO carries: `application/dtmf-relay` (Signal=5) or `application/dtmf` (5). */
export function digitOfInfo(contentType: string | undefined, body: string): string | undefined {
  if (contentType === "application/dtmf") return /^\s*([0-9A-Da-d*#])\s*$/.exec(body)?.[1]?.toUpperCase();
  if (contentType !== "application/dtmf-relay") return undefined;
  const event = EVENT.exec(body)?.[1];
  if (event !== undefined) return event === "10" ? "*" : "#";
  return SIGNAL.exec(body)?.[1]?.toUpperCase();
}
