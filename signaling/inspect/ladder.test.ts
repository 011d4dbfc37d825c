import { describe, expect, it } from "vitest";
import type { TraceEntry, TracedMessage } from "#state/trace/trace-entry.ts";
import { ladderOf } from "./ladder.ts";

const CALL = "0habcdefghijklmnopqrstuv";
const sip = (start: string, headers: Record<string, string>): string =>
  `${[start, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)].join("\r\n")}\r\n\r\n`;
const entry = (change: Partial<TracedMessage>): TracedMessage => ({
  type: "message", atUs: 1, instance: "one", direction: "in", transport: "udp", peer: "192.0.2.1:5060", local: "192.0.2.9:5060",
  again: false, text: "", ...change,
}); // prettier-ignore

const VIA = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa";
const invite = sip("INVITE sip:bob@x SIP/2.0", { Via: VIA, From: "<sip:alice@x>;tag=1", To: "<sip:bob@x>", CSeq: "1 INVITE", "Content-Type": "application/sdp" }); // prettier-ignore
const trying = sip("SIP/2.0 100 Trying", { Via: VIA, From: "<sip:alice@x>;tag=1", To: "<sip:bob@x>", CSeq: "1 INVITE" }); // prettier-ignore
const fork = sip("INVITE sip:bob@192.0.2.2 SIP/2.0", { v: `SIP/2.0/TCP 192.0.2.9:5060;branch=z9hG4bK${CALL}.1-1`, f: `<sip:alice@x>;tag=${CALL}.1`, t: "<sip:bob@x>", "Call-ID": `${CALL}.1`, CSeq: "1 INVITE" }); // prettier-ignore
const ok = sip("SIP/2.0 200 OK", { Via: VIA, From: "<sip:alice@x>;tag=1", To: `<sip:bob@x>;tag=${CALL}.0`, CSeq: "1 INVITE" }); // prettier-ignore

const of = (entries: readonly TraceEntry[]) => ladderOf([{ call: CALL, entries, lost: 0 }]);

describe("ladder", () => {
  it("has a column for the caller, for ourselves and for each whom we called", () => {
    const { parties, rows } = of([
      entry({ atUs: 10, text: invite }),
      entry({ atUs: 20, direction: "out", text: trying }),
      entry({ atUs: 30, direction: "out", text: fork, peer: "192.0.2.2:5060", transport: "tcp" }),
    ]);
    expect(parties).toEqual([
      { leg: 0, title: "alice", address: "192.0.2.1:5060" },
      { leg: undefined, title: "crossband", address: "" },
      { leg: 1, title: "bob", address: "192.0.2.2:5060" },
    ]);
    expect(rows).toMatchObject([
      { kind: "message", atUs: 10, from: 0, to: 1, label: "INVITE", cseq: "1", hasSdp: true },
      { kind: "message", atUs: 20, from: 1, to: 0, label: "100 Trying", cseq: "1 INVITE", hasSdp: false },
      { kind: "message", atUs: 30, from: 1, to: 2, label: "INVITE", cseq: "1", transport: "tcp" },
    ]);
  });

  it("folds what comes again into the first, whichever instance saw it", () => {
    const { rows, instances } = of([
      entry({ atUs: 10, direction: "out", text: ok }),
      entry({ atUs: 500, direction: "out", text: ok, again: true, instance: "two" }),
      entry({ atUs: 1_500, direction: "out", text: ok, again: true, instance: "two" }),
    ]);
    expect(rows).toMatchObject([{ label: "200 OK", repeats: [500, 1_500], instance: 0 }]);
    expect(instances).toEqual(["one", "two"]);
  });

  it("puts what the engine did between the messages", () => {
    const { rows } = of([
      entry({ atUs: 10, text: invite }),
      { type: "mark", atUs: 15, instance: "two", mark: "adopted", detail: "one" },
      entry({ atUs: 20, direction: "out", text: ok, instance: "two" }),
    ]);
    expect(rows.map((row) => (row.kind === "mark" ? [row.mark, row.detail, row.instance] : row.label))).toEqual([
      "INVITE", ["adopted", "one", 1], "200 OK",
    ]); // prettier-ignore
  });

  it("joins the traces of a challenged request and its repetition", () => {
    const again = invite.replace("z9hG4bKa", "z9hG4bKb");
    const { rows, parties } = ladderOf([
      { call: "0hzzzzzzzzzzzzzzzzzzzzzz", entries: [entry({ atUs: 30, text: again })], lost: 2 },
      { call: CALL, entries: [entry({ atUs: 10, text: invite })], lost: 0 },
    ]);
    expect(rows.map(({ atUs }) => atUs)).toEqual([10, 30]);
    expect(parties.length).toBe(2);
  });

  it.each(["", "\r\n", "INVITE", "SIP/2.0 x\r\n\r\n", `${CALL}.99999999999999999999`])(
    "draws something of text that is no SIP: %j",
    (text) => {
      expect(of([entry({ text })]).rows.length).toBe(1);
    },
  );

  it("is empty of nothing", () => {
    expect(ladderOf([])).toMatchObject({ rows: [], instances: [], lost: 0 });
  });
});
