/** What the harness has to know of a SIP message; it never needs a whole parser. */
export interface Packet {
  /** Method of the CSeq: a response has its request's. */
  readonly method: string;
  /** 0 for a request. */
  readonly status: number;
  readonly seq: number;
  readonly callId: string;
  readonly text: string;
}

const STATUS = /^SIP\/2\.0 (\d{3}) /;
const CSEQ = /^CSeq *: *(\d+) +(\w+)/im;
const CALL_ID = /^Call-ID *: *(\S+)/im;

/** Undefined for what is no SIP message. */
export function readPacket(text: string): Packet | undefined {
  const cseq = CSEQ.exec(text);
  const callId = CALL_ID.exec(text)?.[1];
  if (!cseq || callId === undefined) return undefined;
  const status = Number(STATUS.exec(text)?.[1] ?? 0);
  return { method: cseq[2] ?? "", status, seq: Number(cseq[1]), callId, text };
}

export const nameOf = ({ method, status, seq }: Packet): string =>
  status === 0 ? `${method} [${seq}]` : `${status} ${method} [${seq}]`;

/** A message of a call as one of its two peers sees it. */
export interface Pattern {
  readonly side: "caller" | "callee";
  readonly method: string;
  /** 0 for the request. */
  readonly status: number;
  readonly seq?: number;
}

/** How the messages of one call are told from all others: its caller's address is in each, the Call-ID in those of its own leg. */
export interface CallMark {
  readonly marker: string;
  readonly callId: string;
}

export const matches = (packet: Packet, { marker, callId }: CallMark, pattern: Pattern): boolean =>
  packet.method === pattern.method &&
  packet.status === pattern.status &&
  (pattern.seq === undefined || packet.seq === pattern.seq) &&
  (pattern.side === "caller") === (packet.callId === callId) &&
  packet.text.includes(marker);
