/** What crosses between a browser and us, RFC 8866 and RFC 8829, reduced to what we act on. */

export type Direction = "sendrecv" | "sendonly" | "recvonly" | "inactive";
export type Setup = "actpass" | "active" | "passive";

export interface Codec {
  readonly payloadType: number;
  /** Lower case, as in `opus` or `vp8`. */
  readonly name: string;
  readonly clockRate: number;
  readonly channels: number;
}

export interface Extension {
  readonly id: number;
  readonly uri: string;
}

export interface Fingerprint {
  readonly algorithm: "sha-256" | "sha-384" | "sha-512";
  readonly value: string;
}

export interface Ice {
  readonly ufrag: string;
  readonly pwd: string;
}

/** One m-line with its session-level defaults filled in. */
export interface MediaSection {
  readonly kind: string;
  /** 0 means rejected. */
  readonly port: number;
  readonly protocol: string;
  readonly formats: readonly string[];
  readonly mid: string | undefined;
  readonly direction: Direction;
  readonly ice: Ice | undefined;
  readonly fingerprint: Fingerprint | undefined;
  readonly setup: Setup | undefined;
  readonly codecs: readonly Codec[];
  readonly extensions: readonly Extension[];
  /** In the order of first mention. */
  readonly ssrcs: readonly number[];
  /** Retransmission SSRC by media SSRC, from `a=ssrc-group:FID`. */
  readonly retransmission: ReadonlyMap<number, number>;
  readonly rtcpMux: boolean;
}

export interface SessionDescription {
  readonly bundle: readonly string[];
  readonly sections: readonly MediaSection[];
}

/** The same line seen from the other end. RFC 3264 §6.1. */
export const reverseOf: Readonly<Record<Direction, Direction>> = {
  sendrecv: "sendrecv",
  sendonly: "recvonly",
  recvonly: "sendonly",
  inactive: "inactive",
};

export const sends = (direction: Direction): boolean => direction === "sendrecv" || direction === "sendonly";
export const receives = (direction: Direction): boolean =>
  direction === "sendrecv" || direction === "recvonly";

/** The direction that sends and receives only what both would. */
export function directionOf(send: boolean, receive: boolean): Direction {
  if (send) return receive ? "sendrecv" : "sendonly";
  return receive ? "recvonly" : "inactive";
}
