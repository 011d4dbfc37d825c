import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { legIdOf, newCallId } from "#signaling/edge/engine/ids.ts";
import { answerOf, openUdpPhone, SDP, type UdpPhone } from "#signaling/edge/testing/udp-phone.ts";
import type { SipCommand, SipEvent, SipHandler, SipPort, Step } from "#signaling/sip-port/sip-port.ts";

/** A SIP server with the port under test to it. */
export interface SipPortRig {
  /** UDP port of the SIP server, on loopback. */
  readonly sip: number;
  /** Attaches call control, alone. */
  attach(handler: SipHandler): Promise<Pick<SipPort, "begin">>;
  /** Takes it away again. */
  detach(): Promise<void>;
  close(): Promise<void>;
}

type React = (event: SipEvent, step: Step) => void;

/**
 * What every adapter of the SIP port must do: the same suite runs in process, on a remote edge, and on a drachtio-server.
 *
 * @param skips tests that a server cannot pass, each with its reason
 */
export function describeSipPort(
  name: string,
  open: () => Promise<SipPortRig>,
  skips: Readonly<Record<string, string>> = {},
): void {
  describe(`the SIP port ${name}`, () => {
    let rig: SipPortRig;
    let phone: UdpPhone;
    let events: SipEvent[];
    let fired: string[];

    beforeAll(async () => {
      rig = await open();
    });
    afterAll(async () => {
      await rig.close();
    });
    beforeEach(async () => {
      phone = await openUdpPhone();
      events = [];
      fired = [];
    });
    afterEach(async () => {
      phone.close();
      await rig.detach();
    });

    const test = (title: string, run: () => Promise<void>): void => {
      const reason = skips[title];
      if (reason === undefined) it(title, run);
      else it.skip(`${title} (${reason})`, run);
    };
    const attach = (react: React): Promise<Pick<SipPort, "begin">> =>
      rig.attach({
        onEvent(event, step) {
          step.after(() => events.push(event));
          react(event, step);
          return Promise.resolve();
        },
        onTimer(timer, step) {
          step.after(() => fired.push(timer));
          return Promise.resolve();
        },
        recover: () => Promise.resolve(),
      });
    const told = (): string[] =>
      events.map((event) => (event.type === "response" ? String(event.status) : event.type));
    const within = (method: string, toTag: string, seq: number) =>
      phone.request({ method, seq, branch: `${phone.name}${method}${seq}`, toTag });
    const answer = (txn: string): SipCommand => ({ type: "reply", txn, status: 200, body: SDP, contentType: "application/sdp" }); // prettier-ignore
    const invitation = (leg: string, more: object): SipCommand => ({
      type: "request",
      leg,
      method: "INVITE",
      uri: `sip:bob@127.0.0.1:${phone.port}`,
      from: "<sip:alice@crossband.local>",
      to: "<sip:bob@crossband.local>",
      body: SDP,
      contentType: "application/sdp",
      ...more,
    });
    const call = async (port: Pick<SipPort, "begin">, more = {}): Promise<string> => {
      const id = newCallId();
      await port.begin(id, (step) => {
        step.command(invitation(legIdOf(id, 1), more));
        return Promise.resolve();
      });
      return legIdOf(id, 1);
    };

    test("answers a call, and hears its ACK and BYE under the same leg", async () => {
      await attach((event, step) => {
        if (event.type !== "request") return;
        if (event.message.method === "INVITE") step.command(answer(event.txn));
        else step.command({ type: "reply", txn: event.txn, status: 200 });
      });
      phone.send(rig.sip, phone.invite());
      const ok = await phone.next(200);
      expect(ok.body).toBe(SDP);
      phone.send(rig.sip, within("ACK", ok.to.tag ?? "", 1));
      await expect.poll(told).toEqual(["request", "ack"]);
      phone.send(rig.sip, within("BYE", ok.to.tag ?? "", 2));
      expect((await phone.next(200)).cseq.method).toBe("BYE");
      expect(new Set(events.map(({ leg }) => leg)).size).toBe(1);
    });

    test("hears a CANCEL, which has been answered", async () => {
      await attach((event, step) => {
        if (event.type === "request") step.command({ type: "reply", txn: event.txn, status: 180 });
      });
      phone.send(rig.sip, phone.invite());
      await phone.next(180);
      phone.send(rig.sip, phone.request({ method: "CANCEL", seq: 1, branch: `${phone.name}i` }));
      expect((await phone.next(487)).cseq.method).toBe("INVITE");
      await expect.poll(told).toEqual(["request", "cancel"]);
    });

    test("refuses a call with the status and the headers that it is given", async () => {
      await attach((event, step) => {
        if (event.type === "request")
          step.command({ type: "reply", txn: event.txn, status: 486, headers: [["X-Why", "busy"]] });
      });
      phone.send(rig.sip, phone.invite());
      expect((await phone.next(486)).header("X-Why")).toBe("busy");
    });

    test("calls, acknowledges, sends INFO and BYE, by leg", async () => {
      const port = await attach((event, step) => {
        if (event.type !== "response" || event.status < 200) return;
        const { leg } = event;
        if (event.method === "INVITE") {
          step.command({ type: "ack", leg });
          step.command({ type: "in-dialog", leg, method: "INFO", body: "Signal=1\r\n", contentType: "application/dtmf-relay" }); // prettier-ignore
        } else if (event.method === "INFO") step.command({ type: "in-dialog", leg, method: "BYE" });
      });
      const leg = await call(port);
      const invite = await phone.next("INVITE");
      expect(invite.body).toBe(SDP);
      expect(invite.from.uri.user).toBe("alice");
      phone.send(rig.sip, answerOf(phone, invite, 180));
      phone.send(rig.sip, answerOf(phone, invite));
      await phone.next("ACK");
      const info = await phone.next("INFO");
      expect(info.body).toBe("Signal=1\r\n");
      phone.send(rig.sip, answerOf(phone, info));
      phone.send(rig.sip, answerOf(phone, await phone.next("BYE")));
      await expect.poll(told).toEqual(["180", "200", "200", "200"]);
      expect(events.every((event) => event.leg === leg)).toBe(true);
    });

    test("names the leg in what it sends", async () => {
      const port = await attach(() => undefined);
      const leg = await call(port);
      const invite = await phone.next("INVITE");
      expect(invite.from.tag).toBe(leg);
      phone.send(rig.sip, answerOf(phone, invite, 486));
      await phone.next("ACK");
    });

    test("cancels a call that rings", async () => {
      const port = await attach((event, step) => {
        if (event.type === "response" && event.status === 180)
          step.command({ type: "cancel", leg: event.leg });
      });
      await call(port);
      const invite = await phone.next("INVITE");
      phone.send(rig.sip, answerOf(phone, invite, 180));
      phone.send(rig.sip, answerOf(phone, await phone.next("CANCEL")));
      phone.send(rig.sip, answerOf(phone, invite, 487));
      await expect.poll(told).toEqual(["180", "487"]);
    });

    test("tells of the failure of a call, which has been acknowledged", async () => {
      const port = await attach(() => undefined);
      await call(port);
      phone.send(rig.sip, answerOf(phone, await phone.next("INVITE"), 603));
      await phone.next("ACK");
      await expect.poll(told).toEqual(["603"]);
    });

    test("sends what the peer of an account has challenged again, BYE included, with the next CSeq", async () => {
      const proof = ["Authorization", "Digest proof"] as const;
      const port = await attach((event, step) => {
        if (event.type !== "response" || event.status < 200) return;
        const { leg, txn, challenged } = event;
        if (challenged)
          step.command({ type: "authorize", leg, txn, headers: [proof], nonce: { nonce: "n", count: 1 } });
        else if (event.method === "INVITE") {
          step.command({ type: "ack", leg });
          step.command({ type: "in-dialog", leg, method: "BYE" });
        }
      });
      await call(port, { account: "carrier" });
      for (const method of ["INVITE", "BYE"]) {
        const refused = await phone.next(method);
        phone.send(rig.sip, answerOf(phone, refused, 401));
        const repeated = await phone.next(method);
        expect([repeated.header("authorization"), repeated.cseq.seq]).toEqual([
          proof[1],
          refused.cseq.seq + 1,
        ]);
        expect([repeated.body, repeated.from.tag]).toEqual([refused.body, refused.from.tag]);
        phone.send(rig.sip, answerOf(phone, repeated));
      }
      await expect.poll(told).toEqual(["401", "200", "401", "200"]);
      expect(events.flatMap((event) => ("challenged" in event ? event.challenged : []))).toMatchObject([
        { account: "carrier", uri: `sip:bob@127.0.0.1:${phone.port}`, credentials: [], repeated: 0 },
        { account: "carrier", repeated: 0, nonce: { nonce: "n", count: 1 } },
      ]);
    });

    test("fires a timer once, and not one that was taken back", async () => {
      const port = await attach(() => undefined);
      const id = newCallId();
      await port.begin(id, (step) => {
        step.save({ any: "thing" });
        step.timer("kept", Date.now() + 100);
        step.timer("taken back", Date.now() + 50);
        return Promise.resolve();
      });
      await port.begin(id, (step) => {
        step.timer("taken back", undefined);
        return Promise.resolve();
      });
      await expect.poll(() => fired).toEqual(["kept"]);
    });

    test("does what a commit takes for done before it, and what waits for the commit after it", async () => {
      const port = await attach(() => undefined);
      const order: string[] = [];
      await port.begin(newCallId(), (step) => {
        step.save({ any: "thing" });
        step.after(() => order.push("after"));
        step.ahead(() => Promise.resolve(void order.push("ahead")));
        return Promise.resolve();
      });
      expect(order).toEqual(["ahead", "after"]);
      const failing = port.begin(newCallId(), (step) => {
        step.save({ any: "thing" });
        step.after(() => order.push("committed all the same"));
        step.ahead(() => Promise.reject(new Error("no")));
        return Promise.resolve();
      });
      await expect(failing).rejects.toThrow();
      expect(order).toHaveLength(2);
    });

    test("keeps what a step saves, and nothing of one that fails", async () => {
      const port = await attach(() => undefined);
      const id = newCallId();
      const load = async (): Promise<unknown> => {
        let state: unknown;
        await port.begin(id, async (step) => {
          state = await step.load();
        });
        return state;
      };
      await port.begin(id, (step) => {
        step.save({ n: 1 });
        return Promise.resolve();
      });
      const failing = port.begin(id, (step) => {
        step.save({ n: 2 });
        return Promise.reject(new Error("no"));
      });
      await expect(failing).rejects.toThrow("no");
      await expect(load()).resolves.toEqual({ n: 1 });
    });
  });
}
