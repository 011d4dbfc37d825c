import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** `$CROSSBAND_HOME/ready.json`: what others may rely on while `crossband up` runs. */
export interface Ready {
  readonly region: string;
  readonly domain: string;
  readonly sip: {
    readonly udp: string;
    readonly tcp: string;
    readonly tls: string | null;
    readonly ws: string;
  };
  readonly http: string;
  readonly redis: string;
  readonly rtp: readonly [from: number, to: number];
  /** host:port of each process that speaks drachtio's client protocol. */
  readonly drachtio: readonly string[];
  readonly users: readonly { readonly id: string; readonly password: string }[];
  readonly talkGroups: readonly string[];
  readonly radioChannels: readonly {
    readonly id: string;
    readonly protocol: string;
    readonly listen: string;
    readonly remote: string;
  }[];
  readonly processes: readonly { readonly role: string; readonly instance: string; readonly pid: number }[];
}

const pathOf = (home: string): string => join(home, "ready.json");

/** Replaces the file in one step, so that no reader sees half of it. It holds passwords: owner only. */
export function writeReady(home: string, ready: Ready): void {
  const temporary = `${pathOf(home)}.new`;
  writeFileSync(temporary, `${JSON.stringify(ready, null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, pathOf(home));
}

/** What the file says, or undefined when there is none. */
export function readReady(home: string): Ready | undefined {
  try {
    return JSON.parse(readFileSync(pathOf(home), "utf8")) as Ready;
  } catch {
    return undefined;
  }
}
