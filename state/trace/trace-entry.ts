/** A message that a process received (`in`) or sent (`out`) for a call; redacted before it is kept. */
export interface TracedMessage {
  readonly type: "message";
  /** Epoch µs by the clock of the instance. */
  readonly atUs: number;
  readonly instance: string;
  readonly direction: "in" | "out";
  readonly transport: string;
  /** `host:port` of the other side, and where we listen for that transport. */
  readonly peer: string;
  readonly local: string;
  /** Sent again on purpose, by a timer or as the answer to a repeated request. */
  readonly again: boolean;
  readonly text: string;
}

/** What the engine did with the call besides messages. */
export interface TracedMark {
  readonly type: "mark";
  readonly atUs: number;
  readonly instance: string;
  /** `adopted`, `conflict`, `timer`, `timeout`, `not-sent`, `handed-over`. */
  readonly mark: string;
  readonly detail: string;
}

export type TraceEntry = TracedMessage | TracedMark;

type MessageRow = [
  atUs: number,
  kind: "in" | "out" | "again",
  transport: string,
  peer: string,
  local: string,
  text: string,
];
type MarkRow = [atUs: number, kind: "mark", mark: string, detail: string];

/** Entries of one instance as one text, which names the instance once. */
export function encodeChunk(instance: string, entries: readonly TraceEntry[]): string {
  const rows = entries.map((entry): MessageRow | MarkRow =>
    entry.type === "mark"
      ? [entry.atUs, "mark", entry.mark, entry.detail]
      : [
          entry.atUs,
          entry.again ? "again" : entry.direction,
          entry.transport,
          entry.peer,
          entry.local,
          entry.text,
        ],
  );
  return JSON.stringify([instance, rows]);
}

/** The entries of a chunk. */
export function decodeChunk(chunk: string): TraceEntry[] {
  const [instance, rows] = JSON.parse(chunk) as [string, (MessageRow | MarkRow)[]];
  return rows.map((row): TraceEntry => {
    if (row[1] === "mark") return { type: "mark", instance, atUs: row[0], mark: row[2], detail: row[3] };
    const [atUs, kind, transport, peer, local, text] = row;
    const [direction, again] = kind === "again" ? (["out", true] as const) : [kind, false];
    return { type: "message", atUs, instance, direction, transport, peer, local, again, text };
  });
}
