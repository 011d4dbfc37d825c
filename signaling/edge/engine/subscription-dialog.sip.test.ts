import { beforeEach, describe, expect, it } from "vitest";
import type { SipCommand, SipEvent, SipHandler } from "#signaling/sip-port/sip-port.ts";
import { useEdgePair } from "#signaling/edge/testing/use-edge-pair.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { buildResponse } from "#signaling/edge/message/build.ts";

const told: { by: string; event: SipEvent }[] = [];

/** Says 200 to everything, and keeps what it was told once the step is done. */
const handlerOf = (by: string): SipHandler => ({
  onEvent(event, step) {
    step.after(() => told.push({ by, event }));
    if (event.type === "request")
      step.command({ type: "reply", txn: event.txn, status: 200, headers: [["Expires", "60"]] });
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

const methods = () => told.flatMap(({ event }) => (event.type === "request" ? [event.message.method] : []));
const statuses = () => told.flatMap(({ event }) => (event.type === "response" ? [event.status] : []));

/** Our SUBSCRIBE as the phone gets it. */
async function subscribe(): Promise<SipMessage> {
  const request: SipCommand = {
    type: "request", leg: pair.leg, method: "SUBSCRIBE", uri: `sip:bob@127.0.0.1:${phone.port}`,
    from: "<sip:alice@crossband.local>", to: "<sip:bob@crossband.local>", headers: [["Event", "presence"], ["Expires", "60"]],
  }; // prettier-ignore
  await command(one, request);
  return phone.next("SUBSCRIBE");
}
const answerOf = (request: SipMessage, status: number, tag = "bob") =>
  buildResponse(request, { status, toTag: tag, headers: [["Contact", `<sip:bob@127.0.0.1:${phone.port}>`]] });
const notify = (subscription: SipMessage, seq: number, state = "active;expires=60", fromTag = "bob") =>
  phone.request({
    method: "NOTIFY", seq, branch: `${phone.name}n${seq}${fromTag}`, toTag: pair.leg, fromTag, callId: subscription.callId,
    headers: `Event: presence\r\nSubscription-State: ${state}\r\n`,
  }); // prettier-ignore
const inDialog = (method: string, headers: [string, string][] = []): SipCommand => ({
  type: "in-dialog",
  leg: pair.leg,
  method,
  headers,
});

describe("a subscription of ours (RFC 6665 §4.4.1)", () => {
  it("takes a NOTIFY that overtakes the answer to its SUBSCRIBE, at any instance", async () => {
    const subscription = await subscribe();
    phone.send(two.port, notify(subscription, 1));
    await phone.next((message) => message.status === 200 && message.method === "NOTIFY");
    phone.send(one.port, answerOf(subscription, 200));
    await expect.poll(statuses).toEqual([200]);
    expect(methods()).toEqual(["NOTIFY"]);
  });

  it("is refreshed in the dialog that the NOTIFY made", async () => {
    const subscription = await subscribe();
    phone.send(one.port, notify(subscription, 1));
    await phone.next((message) => message.status === 200 && message.method === "NOTIFY");
    phone.send(one.port, answerOf(subscription, 200));
    await expect.poll(statuses).toEqual([200]);
    await command(two, inDialog("SUBSCRIBE", [["Expires", "60"]]));
    const refresh = await phone.next("SUBSCRIBE");
    expect(refresh.to.tag).toBe("bob");
    expect(refresh.cseq.seq).toBe(2);
    expect(refresh.contacts).toHaveLength(1);
  });

  it("takes no NOTIFY of another fork", async () => {
    const subscription = await subscribe();
    phone.send(one.port, notify(subscription, 1));
    await phone.next(200);
    phone.send(one.port, notify(subscription, 1, "active", "other"));
    await phone.next(481);
  });

  it("ends with the NOTIFY that says so", async () => {
    const subscription = await subscribe();
    phone.send(one.port, answerOf(subscription, 200));
    await expect.poll(statuses).toEqual([200]);
    phone.send(two.port, notify(subscription, 1, "terminated;reason=timeout"));
    await phone.next(200);
    phone.send(one.port, notify(subscription, 2));
    await phone.next(481);
  });
});

describe("a subscription of a peer (RFC 6665 §4.2)", () => {
  /** The peer's SUBSCRIBE, answered; from here on `pair.leg` is its leg. */
  async function accept(): Promise<void> {
    const branch = `${phone.name}s1`;
    phone.send(
      one.port,
      phone.request({ method: "SUBSCRIBE", seq: 1, branch, headers: "Event: presence\r\n" }),
    );
    pair.leg = (await phone.next(200)).to.tag ?? "";
  }
  const refresh = (seq: number) =>
    phone.request({ method: "SUBSCRIBE", seq, branch: `${phone.name}s${seq}`, toTag: pair.leg, headers: "Event: presence\r\n" }); // prettier-ignore
  const sendNotify = (state: string) => command(one, inDialog("NOTIFY", [["Subscription-State", state]]));

  it("is told by any instance, each time with the next CSeq", async () => {
    await accept();
    await sendNotify("active;expires=60");
    await command(two, inDialog("NOTIFY", [["Subscription-State", "active;expires=59"]]));
    const seqs = [(await phone.next("NOTIFY")).cseq.seq, (await phone.next("NOTIFY")).cseq.seq];
    expect(seqs).toEqual([1, 2]);
  });

  it("ends with our NOTIFY that says so", async () => {
    await accept();
    await sendNotify("terminated;reason=timeout");
    phone.send(two.port, answerOf(await phone.next("NOTIFY"), 200));
    phone.send(two.port, refresh(2));
    await phone.next(481);
  });

  it.each([481, 408])("ends when the peer answers a NOTIFY with %i", async (status) => {
    await accept();
    await sendNotify("active;expires=60");
    phone.send(two.port, answerOf(await phone.next("NOTIFY"), status));
    await expect.poll(statuses).toEqual([status]);
    phone.send(one.port, refresh(2));
    await phone.next(481);
  });
});
