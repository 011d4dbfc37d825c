import { beforeEach, describe, expect, it } from "vitest";
import type { SipCommand, SipEvent, SipHandler } from "#signaling/sip-port/sip-port.ts";
import { useEdgePair } from "#signaling/edge/testing/use-edge-pair.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { buildResponse } from "#signaling/edge/message/build.ts";
import { SDP } from "#signaling/edge/testing/udp-phone.ts";

const told: { by: string; event: SipEvent }[] = [];

/** Answers what comes in a dialog, ACKs each 2xx, and keeps what it was told once the step is done. */
const handlerOf = (by: string): SipHandler => ({
  onEvent(event, step) {
    step.after(() => told.push({ by, event }));
    if (event.type === "request") step.command({ type: "reply", txn: event.txn, status: 200 });
    if (event.type === "response" && event.method === "INVITE" && event.status >= 200 && event.status < 300)
      step.command({ type: "ack", leg: event.leg });
    return Promise.resolve();
  },
  onTimer: () => Promise.resolve(),
  recover: () => Promise.resolve(),
});

const pair = useEdgePair(handlerOf);
const { one, two, phone, command } = pair;

beforeEach(() => {
  told.length = 0;
});

const inviteCommand = (uri = `sip:bob@127.0.0.1:${phone.port}`): SipCommand => ({
  type: "request",
  leg: pair.leg,
  method: "INVITE",
  uri,
  from: '"Alice" <sip:alice@crossband.local>',
  to: "<sip:bob@crossband.local>",
  headers: [["Subject", "test"]],
  body: SDP,
  contentType: "application/sdp",
});
const answerOf = (request: SipMessage, status: number, tag = "bob", headers = "") =>
  buildResponse(request, {
    status,
    toTag: status === 100 ? undefined : tag,
    headers: [
      ["Contact", `<sip:bob@127.0.0.1:${phone.port}>`],
      ...(headers === "" ? [] : [["X-Test", headers] as const]),
    ],
  });
const statuses = (by?: string) =>
  told.flatMap((entry) =>
    entry.event.type === "response" && (by ?? entry.by) === entry.by ? [entry.event.status] : [],
  );

/** An answered call to the phone. */
async function call(answerAt = one) {
  await command(one, inviteCommand());
  const invite = await phone.next("INVITE");
  phone.send(answerAt.port, answerOf(invite, 200));
  const ack = await phone.next("ACK");
  return { invite, ack };
}

describe("a call that we make (RFC 3261 §13.2)", () => {
  it("carries our tag, our branch and the cluster's address", async () => {
    const { invite, ack } = await call();
    expect(invite.from.tag).toBe(pair.leg);
    expect(invite.topVia).toMatchObject({ host: "127.0.0.1", port: 5999, branch: `z9hG4bK${pair.leg}-1` });
    expect(invite.body).toBe(SDP);
    expect(ack.cseq).toEqual({ seq: 1, method: "ACK" });
    expect(ack.to.tag).toBe("bob");
    expect(ack.uri).toBe(`sip:bob@127.0.0.1:${phone.port}`);
  });

  it("goes on at the instance that gets the response", async () => {
    await command(one, inviteCommand());
    const invite = await phone.next("INVITE");
    phone.send(two.port, answerOf(invite, 180));
    await expect.poll(() => statuses("two")).toEqual([180]);
    phone.send(one.port, answerOf(invite, 200));
    await phone.next("ACK");
    await expect.poll(() => statuses("one")).toEqual([200]);
  });

  it("sends the same INVITE again until something is heard, and no more then", async () => {
    await command(one, inviteCommand());
    const first = await phone.next("INVITE");
    expect((await phone.next("INVITE")).text).toBe(first.text);
    phone.send(two.port, answerOf(first, 100));
    await expect(phone.next("INVITE", 1_500)).rejects.toThrow("no INVITE");
    expect(statuses()).toEqual([]);
  });

  it("sends the same bytes when the command comes twice", async () => {
    await command(one, inviteCommand());
    await command(two, inviteCommand());
    expect((await phone.next("INVITE")).text).toBe((await phone.next("INVITE")).text);
  });

  it("acknowledges a 2xx that comes again with the same ACK, wherever it arrives, and tells it once", async () => {
    const { invite, ack } = await call();
    phone.send(two.port, answerOf(invite, 200));
    expect((await phone.next("ACK")).text).toBe(ack.text);
    expect(statuses()).toEqual([200]);
  });

  it("acknowledges and ends what another branch of a fork answers (§13.2.2.4)", async () => {
    const { invite } = await call();
    phone.send(one.port, answerOf(invite, 200, "fork"));
    expect((await phone.next("ACK")).to.tag).toBe("fork");
    expect((await phone.next("BYE")).to.tag).toBe("fork");
    expect(statuses()).toEqual([200]);
  });

  it("acknowledges a failure in its own transaction (§17.1.1.3)", async () => {
    await command(one, inviteCommand());
    const invite = await phone.next("INVITE");
    phone.send(two.port, answerOf(invite, 486));
    const ack = await phone.next("ACK");
    expect(ack.topVia.branch).toBe(invite.topVia.branch);
    expect(ack.to.tag).toBe("bob");
    await expect.poll(() => statuses("two")).toEqual([486]);
    phone.send(one.port, answerOf(invite, 486));
    expect((await phone.next("ACK")).text).toBe(ack.text);
    expect(statuses()).toEqual([486]);
  });

  it("tries again with a new CSeq after a challenge, in the same Call-ID and without a To-tag (§22.2)", async () => {
    await command(one, inviteCommand());
    const first = await phone.next("INVITE");
    phone.send(one.port, answerOf(first, 407));
    await phone.next("ACK");
    await expect.poll(() => statuses()).toEqual([407]);
    await command(two, inviteCommand());
    const second = await phone.next("INVITE");
    expect(second.cseq.seq).toBe(2);
    expect(second.callId).toBe(first.callId);
    expect(second.to.tag).toBeUndefined();
    expect(second.topVia.branch).not.toBe(first.topVia.branch);
    phone.send(one.port, answerOf(second, 200));
    await phone.next("ACK");
  });

  it("is told 503 when the host does not resolve", async () => {
    await command(one, inviteCommand("sip:bob@nowhere.invalid.:5060"));
    await expect.poll(() => statuses()).toEqual([503]);
    expect(told[0]?.event).toMatchObject({ local: true, method: "INVITE" });
  });
});

describe("CANCEL (RFC 3261 §9.1)", () => {
  it("waits for a provisional response", async () => {
    await command(one, inviteCommand());
    const invite = await phone.next("INVITE");
    await command(one, { type: "cancel", leg: pair.leg });
    await expect(phone.next("CANCEL", 300)).rejects.toThrow();
    phone.send(two.port, answerOf(invite, 180));
    const cancel = await phone.next("CANCEL");
    expect(cancel.topVia.branch).toBe(invite.topVia.branch);
    expect(cancel.cseq.seq).toBe(1);
    phone.send(one.port, answerOf(cancel, 200));
    phone.send(one.port, answerOf(invite, 487));
    await phone.next("ACK");
    await expect.poll(() => statuses()).toEqual([180, 487]);
  });

  it("goes out at once when one was heard, from any instance", async () => {
    await command(one, inviteCommand());
    phone.send(one.port, answerOf(await phone.next("INVITE"), 180));
    await expect.poll(() => statuses()).toEqual([180]);
    await command(two, { type: "cancel", leg: pair.leg });
    expect((await phone.next("CANCEL")).callId).toBe(pair.leg);
  });
});

describe("requests within a dialog that we began (RFC 3261 §12.2)", () => {
  it("count up from either instance and follow the peer's Contact", async () => {
    await call();
    await command(two, { type: "in-dialog", leg: pair.leg, method: "INFO" });
    const info = await phone.next("INFO");
    expect(info.cseq.seq).toBe(2);
    phone.send(one.port, answerOf(info, 200));
    await command(one, { type: "in-dialog", leg: pair.leg, method: "BYE" });
    const bye = await phone.next("BYE");
    expect(bye.cseq.seq).toBe(3);
    phone.send(two.port, answerOf(bye, 200));
    await expect.poll(() => statuses()).toEqual([200, 200, 200]);
  });

  it("take the peer's BYE at another instance", async () => {
    const { invite } = await call();
    phone.send(
      two.port,
      phone.request({
        method: "BYE",
        seq: 1,
        branch: "pb",
        toTag: pair.leg,
        fromTag: "bob",
        callId: invite.callId,
      }),
    );
    await phone.next(200);
    expect(told.at(-1)).toMatchObject({ by: "two", event: { type: "request", dialog: true } });
  });

  it("answer the peer's re-INVITE 491 while ours is open (§14.2)", async () => {
    const { invite } = await call();
    await command(one, {
      type: "in-dialog",
      leg: pair.leg,
      method: "INVITE",
      body: SDP,
      contentType: "application/sdp",
    });
    await phone.next("INVITE");
    const crossing = phone.request({
      method: "INVITE",
      seq: 1,
      branch: "pg",
      toTag: pair.leg,
      fromTag: "bob",
      callId: invite.callId,
    });
    phone.send(two.port, crossing);
    await phone.next(491);
  });

  it("go through the route set of the 2xx, in reverse (§12.1.2)", async () => {
    await command(one, inviteCommand());
    const invite = await phone.next("INVITE");
    const routes = `Record-Route: <sip:127.0.0.1:${phone.port};lr;p=1>, <sip:127.0.0.1:${phone.port};lr;p=2>\r\n`;
    phone.send(one.port, answerOf(invite, 200).replace("From:", `${routes}From:`));
    const ack = await phone.next("ACK");
    expect(ack.headers("route").map((route) => /p=\d/.exec(route)?.[0])).toEqual(["p=2", "p=1"]);
  });
});
