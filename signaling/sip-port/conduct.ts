import type { Flow } from "./sip-port.ts";

/** What speaks against a source; `sweep`: it asks for one name after the other and never says who it is. */
export type Offence = "malformed" | "scanner" | "wrong-password" | "sweep";

/** What call control knows of those who send: told to whoever guards the sockets. */
export interface Conduct {
  /** The source has proved who it is: its flow is read whatever others at its address do. */
  proved(source: Flow): void;
  /** @param detail what it tried: the same again is not counted twice */
  offended(source: Flow, offence: Offence, detail: string): void;
}

/** Nobody listens: the sockets are another server's. */
export const NO_CONDUCT: Conduct = { proved: () => undefined, offended: () => undefined };
