import { describe, expect, it } from "vitest";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { Draft } from "./draft.ts";
import { callIdOf, legIdOf } from "./ids.ts";
import { isMerged, originOf } from "./origin.ts";
import { receiveRequest, settleRequest } from "./receive-request.ts";
import { emptyCall, type CallRecord } from "./record.ts";
import { stepOf } from "./step.ts";

const call = callIdOf("s", "INVITE", "origin");
const peer: Flow = { transport: "udp", host: "10.0.0.9", port: 5060 };

const request = (
  changes: {
    method?: string;
    branch?: string;
    uri?: string;
    callId?: string;
    tag?: string;
    seq?: number;
    toTag?: string;
  } = {},
) => {
  const {
    method = "INVITE",
    branch = "1",
    uri = "sip:bob@h",
    callId = "c",
    tag = "f",
    seq = 1,
    toTag,
  } = changes;
  const parsed = parseMessage(
    `${method} ${uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK${branch}\r\nMax-Forwards: 70\r\nFrom: <sip:a@h>;tag=${tag}\r\n` +
      `To: <sip:bob@h>${toTag === undefined ? "" : `;tag=${toTag}`}\r\nCall-ID: ${callId}\r\nCSeq: ${seq} ${method}\r\nContact: <sip:a@10.0.0.9>\r\nContent-Length: 0\r\n\r\n`,
  );
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
};
const draftOn = (record: CallRecord) =>
  new Draft({ record, state: undefined }, { nowMs: 1, advertised: () => "192.0.2.1:5060" });

/** A record after an INVITE, answered with `status` if given. */
function invited(status?: number): Draft {
  const draft = draftOn(emptyCall(call));
  receiveRequest(draft, 0, request(), peer);
  if (status !== undefined) stepOf(draft).command({ type: "reply", txn: `${legIdOf(call, 0)}-s1`, status });
  settleRequest(draft);
  return draft;
}

describe("the origin of a request outside a dialog", () => {
  it.each([
    ["its retransmission", {}],
    ["its CANCEL", { method: "CANCEL" }],
    ["the ACK of its failure", { method: "ACK", toTag: "t" }],
    ["itself by another way (RFC 3261 §8.2.2.2)", { branch: "2" }],
  ])("is shared by %s", (_what, changes) => {
    expect(originOf(request(changes))).toBe(originOf(request()));
  });

  it.each([
    ["another call", { callId: "other" }],
    ["another caller", { tag: "other" }],
    ["another attempt", { seq: 2 }],
    ["another user that a proxy forks to", { uri: "sip:carol@h" }],
  ])("is not that of %s", (_what, changes) => {
    expect(originOf(request(changes))).not.toBe(originOf(request()));
  });

  it("of what keeps no record is its branch", () => {
    expect(originOf(request({ method: "OPTIONS" }))).not.toBe(
      originOf(request({ method: "OPTIONS", branch: "2" })),
    );
  });
});

describe("a request that came by another way", () => {
  it.each([[undefined], [180], [200], [486]])(
    "is told from its retransmission when the first has %s",
    (status) => {
      const { record } = invited(status);
      expect(isMerged(draftOn(record), request({ branch: "2" }))).toBe(true);
      expect(isMerged(draftOn(record), request())).toBe(false);
    },
  );

  it("is none on an empty record", () => {
    expect(isMerged(draftOn(emptyCall(call)), request())).toBe(false);
  });

  it.each([401, 407])("is a new attempt when all that came of the first is a %i", (status) => {
    const draft = draftOn(invited(status).record);
    expect(isMerged(draft, request({ branch: "2" }))).toBe(false);
    expect(receiveRequest(draft, 0, request({ branch: "2" }), peer)).toMatchObject({
      type: "request",
      dialog: false,
    });
  });
});
