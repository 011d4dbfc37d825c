import type { CallTrace } from "#state/trace/read-trace.ts";
import type { TracedMessage } from "#state/trace/trace-entry.ts";

/** One column: a peer of one leg, or ourselves. */
export interface LadderParty {
  /** Undefined for ourselves. */
  readonly leg: number | undefined;
  readonly title: string;
  /** Where its first message came from or went; "" for ourselves. */
  readonly address: string;
}

/** A message as an arrow; the same message again is counted on the first one. */
export interface LadderMessage {
  readonly kind: "message";
  readonly atUs: number;
  /** Indexes of parties. */
  readonly from: number;
  readonly to: number;
  /** `INVITE`, `180 Ringing`. */
  readonly label: string;
  readonly cseq: string;
  readonly hasSdp: boolean;
  readonly transport: string;
  /** Index of instances. */
  readonly instance: number;
  /** When it was seen again, epoch µs. */
  readonly repeats: readonly number[];
  readonly text: string;
}

/** What the engine did. */
export interface LadderMark {
  readonly kind: "mark";
  readonly atUs: number;
  readonly instance: number;
  readonly mark: string;
  readonly detail: string;
}

export interface Ladder {
  readonly startUs: number;
  /** The caller, ourselves, then whom we called. */
  readonly parties: readonly LadderParty[];
  /** Names of the instances that handled it, in the order of their first deed. */
  readonly instances: readonly string[];
  readonly rows: readonly (LadderMessage | LadderMark)[];
  /** Entries that were not kept. */
  readonly lost: number;
}

interface Arrow extends Omit<LadderMessage, "repeats"> {
  readonly repeats: number[];
}

/** Lays out what is kept of a call, or of several that carry one Call-ID. Pure: a terminal and a page draw the same. */
export function ladderOf(traces: readonly CallTrace[]): Ladder {
  const entries = traces
    .flatMap(({ call, entries }) => entries.map((entry) => ({ call, entry })))
    .sort((a, b) => a.entry.atUs - b.entry.atUs);
  const legs = new Map<number, LadderParty>();
  for (const { call, entry } of entries) {
    if (entry.type !== "message") continue;
    const leg = legOf(call, entry);
    if (!legs.has(leg)) legs.set(leg, { leg, title: titleOf(leg, entry), address: entry.peer });
  }
  const others = [...legs.values()].sort((a, b) => (a.leg ?? 0) - (b.leg ?? 0));
  const ourselves: LadderParty = { leg: undefined, title: "crossband", address: "" };
  const parties = others[0]?.leg === 0 ? [others[0], ourselves, ...others.slice(1)] : [ourselves, ...others];
  const columnOf = (leg: number | undefined): number => parties.findIndex((party) => party.leg === leg);

  const instances: string[] = [];
  const instanceOf = (name: string): number => {
    const known = instances.indexOf(name);
    return known === -1 ? instances.push(name) - 1 : known;
  };
  const rows: (Arrow | LadderMark)[] = [];
  const drawn = new Map<string, Arrow>();
  for (const { call, entry } of entries) {
    const instance = instanceOf(entry.instance);
    const { atUs } = entry;
    if (entry.type === "mark") {
      rows.push({ kind: "mark", atUs, instance, mark: entry.mark, detail: entry.detail });
      continue;
    }
    const [peer, us] = [columnOf(legOf(call, entry)), columnOf(undefined)];
    const { label, cseq, branch } = summaryOf(entry.text);
    const identity = [entry.direction, peer, label, cseq, branch].join("|");
    const first = drawn.get(identity);
    if (first) {
      first.repeats.push(atUs);
      continue;
    }
    const arrow: Arrow = {
      kind: "message", atUs, label, cseq, instance, transport: entry.transport, text: entry.text, repeats: [],
      from: entry.direction === "in" ? peer : us, to: entry.direction === "in" ? us : peer,
      hasSdp: /\r\n(?:content-type|c)[ \t]*:[ \t]*application\/sdp/i.test(entry.text),
    }; // prettier-ignore
    drawn.set(identity, arrow);
    rows.push(arrow);
  }
  return {
    startUs: entries[0]?.entry.atUs ?? 0,
    parties,
    instances,
    rows,
    lost: traces.reduce((sum, { lost }) => sum + lost, 0),
  };
}

/** Our tags, branches and Call-IDs name the leg; the caller's first request has none of them. */
function legOf(call: string, { text }: TracedMessage): number {
  const head = text.slice(0, text.indexOf("\r\n\r\n") + 1 || undefined);
  const at = head.indexOf(`${call}.`);
  return at === -1 ? 0 : Number.parseInt(head.slice(at + call.length + 1, at + call.length + 6), 10) || 0;
}

function summaryOf(text: string): { label: string; cseq: string; branch: string } {
  const start = text.slice(0, text.indexOf("\r\n"));
  const cseq = headerOf(text, "cseq") ?? "";
  const branch = /;\s*branch\s*=\s*([^;,\s]+)/i.exec(headerOf(text, "via|v") ?? "")?.[1] ?? "";
  const status = /^SIP\/2\.0 (\d{3}) ?(.*)/i.exec(start);
  if (!status) return { label: start.split(" ", 1)[0] ?? "", cseq: cseq.split(" ")[0] ?? "", branch };
  return { label: `${status[1] ?? ""} ${status[2] ?? ""}`.trimEnd(), cseq, branch };
}

/** The peer's name: who calls for the first leg, who is called for the others. */
function titleOf(leg: number, { text, direction }: TracedMessage): string {
  const theirs = (direction === "in") === !text.startsWith("SIP/2.0 ");
  const value = headerOf(text, theirs ? "from|f" : "to|t") ?? "";
  return /(?:sips?|tel):([^@;>\s]+)/i.exec(value)?.[1] ?? `leg ${leg}`;
}

function headerOf(text: string, names: string): string | undefined {
  return new RegExp(`\\r\\n(?:${names})[ \\t]*:[ \\t]*([^\\r\\n]*)`, "i").exec(text)?.[1];
}
