import { printable } from "../printable.ts";
import type { Ladder, LadderMark, LadderMessage, LadderParty } from "#signaling/inspect/index.ts";

/** What lines and arrows are made of. */
export interface Strokes {
  readonly life: string;
  readonly dash: string;
  readonly left: string;
  readonly right: string;
}
export const UNICODE: Strokes = { life: "│", dash: "─", left: "◄", right: "►" };
export const ASCII: Strokes = { life: "|", dash: "-", left: "<", right: ">" };

export interface DrawOptions {
  /** Columns of the terminal. */
  readonly width: number;
  readonly strokes: Strokes;
  /** Legs to draw besides ourselves; as many as fit when not given. */
  readonly legs?: readonly number[] | undefined;
}

/** Time and instance stand before the first life line. */
const MARGIN = 14;
/** Life lines closer than this leave no room for a label. */
const MIN_GAP = 14;
/** Room at the right of the last life line, for its title. */
const RIGHT = 6;

/** Draws a ladder as lines of text, none longer than the terminal is wide. */
export function drawLadder(ladder: Ladder, { width, strokes, legs }: DrawOptions): string[] {
  const room = Math.max(2, Math.floor((width - MARGIN - RIGHT) / MIN_GAP) + 1);
  const wanted = ladder.parties.filter(({ leg }) => leg === undefined || (legs?.includes(leg) ?? true));
  const shown = wanted.slice(0, room);
  const gap = Math.min(30, Math.floor((width - MARGIN - RIGHT - 1) / Math.max(1, shown.length - 1)));
  const xOf = new Map(shown.map((party, i) => [ladder.parties.indexOf(party), MARGIN + 1 + i * gap]));
  const canvas = (): string[] => {
    const line = new Array<string>(width).fill(" ");
    for (const x of xOf.values()) line[x] = strokes.life;
    return line;
  };
  const lines = [...headOf(ladder), "", ...titlesOf(shown, gap, width)];
  for (const row of ladder.rows) {
    const line = canvas();
    put(line, 0, timeOf(row.atUs - ladder.startUs).padStart(11));
    put(line, 12, String(row.instance + 1));
    if (row.kind === "mark") put(line, MARGIN + 3, ` ${markText(row)} `, width);
    else {
      const [from, to] = [xOf.get(row.from), xOf.get(row.to)];
      if (from === undefined || to === undefined) continue;
      arrow(line, from, to, labelOf(row), strokes);
    }
    lines.push(line.join("").trimEnd());
    if (row.kind === "message" && row.repeats.length > 0) {
      const note = canvas();
      put(note, MARGIN + 3, ` ${repeatsOf(row, ladder)} `, width);
      lines.push(note.join("").trimEnd());
    }
  }
  const hidden = ladder.parties.length - shown.length;
  if (hidden > 0) lines.push("", `${hidden} more ${hidden === 1 ? "leg" : "legs"} not drawn: widen the terminal, or choose with --legs 0,${shown.length - 1}`); // prettier-ignore
  if (ladder.lost > 0) lines.push("", `${ladder.lost} later entries were not kept: the trace of this call is full`); // prettier-ignore
  return lines;
}

const headOf = (ladder: Ladder): string[] =>
  ladder.instances.map((name, i) => `${i === 0 ? "instances  " : "           "}${i + 1} ${name}`);

function titlesOf(shown: readonly LadderParty[], gap: number, width: number): string[] {
  const rows: ((party: LadderParty) => string)[] = [({ title }) => title, ({ address }) => address];
  return rows.map((text) => {
    const line = new Array<string>(width).fill(" ");
    for (const [i, party] of shown.entries()) {
      const title = cut(text(party), Math.min(gap - 1, i === 0 ? 2 * MARGIN : width));
      const x = MARGIN + 1 + i * gap - Math.floor(title.length / 2);
      put(line, Math.max(0, Math.min(x, width - title.length)), title);
    }
    return line.join("").trimEnd();
  });
}

function arrow(line: string[], from: number, to: number, label: string, strokes: Strokes): void {
  const [left, right] = [Math.min(from, to), Math.max(from, to)];
  for (let x = left + 1; x < right; x++) line[x] = strokes.dash;
  line[to > from ? right - 1 : left + 1] = to > from ? strokes.right : strokes.left;
  const text = cut(label, right - left - 5);
  put(line, left + 1 + Math.ceil((right - left - 1 - text.length) / 2), text);
}

function labelOf({ label, cseq, hasSdp, repeats }: LadderMessage): string {
  const [seq = "", method] = cseq.split(" ");
  const answer = method === undefined ? "" : ` ${method}`;
  return ` ${label}${answer} ${seq}${hasSdp ? " sdp" : ""}${repeats.length > 0 ? ` x${repeats.length + 1}` : ""} `;
}

function repeatsOf({ repeats }: LadderMessage, { startUs }: Ladder): string {
  const times = repeats.slice(0, 4).map((atUs) => timeOf(atUs - startUs));
  return `again ${times.join(" ")}${repeats.length > 4 ? " ..." : ""}`;
}

function markText({ mark, detail }: LadderMark): string {
  switch (mark) {
    case "adopted":
      return `* takes over: ${detail} is gone`;
    case "handed-over":
      return `* takes over: ${detail} leaves`;
    case "restored":
      return "* Redis had lost its latest steps: written again";
    case "conflict":
      return "* another instance was faster: done again";
    case "timer":
      return `* timer ${detail}`;
    case "timeout":
      return `* no answer in time: ${detail}`;
    case "not-sent":
      return `* could not be sent: ${detail}`;
    default:
      return `* ${mark} ${detail}`;
  }
}

/** `+0.001204` below 1,000 s, with fewer digits above. */
const timeOf = (us: number): string => `+${(us / 1e6).toFixed(us < 1e9 ? 6 : 3)}`;

/** Writes a text into a line; what would go beyond `end` is cut. */
function put(line: string[], x: number, text: string, end = line.length): void {
  const shown = printable(cut(text, end - x));
  for (let i = 0; i < shown.length; i++) line[x + i] = shown.charAt(i);
}

const cut = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, Math.max(0, length - 1))}~`;
