import type { Flow } from "./sip-port.ts";

/** What speaks against a source; `sweep`: it asks for one name after the other and never says who it is. */
export type Offence = "malformed" | "scanner" | "wrong-password" | "sweep";

/** Somebody whose traffic was asked for: a peer of a trunk. It is never banned; what it does wrong is told here. */
export interface Trusted {
  /** Messages a second that are read from one of its addresses, in place of the limit for everybody. */
  readonly messagesPerSecond: number;
  offended(offence: Offence): void;
  /** A message of it was not read: it sends more than its limit. */
  limited(): void;
}

/** What call control knows of those who send: told to whoever guards the sockets. */
export interface Conduct {
  /** The source has proved who it is: its flow is read whatever others at its address do. */
  proved(source: Flow): void;
  /** @param detail what it tried: the same again is not counted twice */
  offended(source: Flow, offence: Offence, detail: string): void;
  /** From now on this says who is trusted; it is asked for every message. */
  trust(find: (source: Pick<Flow, "host" | "port">) => Trusted | undefined): void;
}

/** Nobody listens: the sockets are another server's. */
export const NO_CONDUCT: Conduct = {
  proved: () => undefined,
  offended: () => undefined,
  trust: () => undefined,
};
