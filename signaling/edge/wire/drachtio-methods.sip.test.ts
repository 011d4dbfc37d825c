import { describe, expect, it } from "vitest";
import { type Dialog, type Message } from "#signaling/edge/testing/drachtio-app.ts";
import { SDP, openUdpPhone, answerOf } from "#signaling/edge/testing/udp-phone.ts";
import { useWireEdge } from "#signaling/edge/testing/use-wire-edge.ts";

const { edge: one, phone, apps, within: request, answer } = useWireEdge();

describe("reliable provisional responses (RFC 3262)", () => {
  it("are acknowledged by an application that calls", async () => {
    const srf = await apps.attach(one);
    const provisional: number[] = [];
    const making = srf.createUAC(
      `sip:bob@127.0.0.1:${phone.port}`,
      { localSdp: SDP, headers: { Supported: "100rel" } },
      { cbProvisional: (res: Message) => provisional.push(res.status) },
    );
    const invite = await phone.next("INVITE");
    phone.send(one.port, answer(invite, 183, { body: SDP, headers: "Require: 100rel\r\nRSeq: 7\r\n" }));
    const prack = await phone.next("PRACK");
    expect(prack.header("RAck")).toBe(`7 ${invite.cseq.seq} INVITE`);
    phone.send(one.port, answer(prack));
    phone.send(one.port, answer(invite));
    await making;
    expect(provisional).toEqual([183]);
  });

  it("are sent by an application that is called, which hears of the PRACK", async () => {
    let pracked: string | undefined;
    let sent: Message | undefined;
    await apps.attach(one, (srf) => {
      srf.invite((req, res) => {
        const onSent = (_error: unknown, response: Message): void => {
          sent = response;
        };
        const onPrack = (prack: Message): void => {
          pracked = prack.get("RAck");
          void srf.createUAS(req, res, { localSdp: SDP });
        };
        res.send(183, { headers: { Require: "100rel" }, body: SDP }, onSent, onPrack);
      });
    });
    phone.send(
      one.port,
      phone.request({
        method: "INVITE",
        seq: 1,
        branch: `${phone.name}i`,
        body: SDP,
        headers: "Supported: 100rel\r\n",
      }),
    );
    const early = await phone.next(183);
    const rseq = early.header("RSeq") ?? "";
    await expect.poll(() => sent?.get("RSeq")).toBe(rseq);
    phone.send(
      one.port,
      phone.request({
        method: "PRACK",
        seq: 2,
        branch: `${phone.name}p`,
        toTag: early.to.tag ?? "",
        headers: `RAck: ${rseq} 1 INVITE\r\n`,
      }),
    );
    expect((await phone.next(({ status, cseq }) => status === 200 && cseq.method === "PRACK")).status).toBe(
      200,
    );
    await expect.poll(() => pracked).toBe(`${rseq} 1 INVITE`);
    await phone.next(({ status, cseq }) => status === 200 && cseq.method === "INVITE");
  });
});

describe("requests other than INVITE", () => {
  it.each(["MESSAGE", "INFO", "PUBLISH", "REFER", "SUBSCRIBE", "NOTIFY", "REGISTER", "OPTIONS"])(
    "%s is sent outside a dialog",
    async (method) => {
      const srf = await apps.attach(one);
      const sent = await srf.request(`sip:bob@127.0.0.1:${phone.port}`, {
        method,
        headers: {
          Subject: "hello",
          ...(method === "REFER" ? { "Refer-To": "<sip:x@y>" } : {}),
          ...(method === "SUBSCRIBE" || method === "NOTIFY" ? { Event: "presence" } : {}),
        },
      });
      const response = new Promise<Message>((resolve) => {
        sent.on("response", resolve);
      });
      const got = await phone.next(method);
      expect(got.header("Subject")).toBe("hello");
      phone.send(one.port, answer(got));
      expect((await response).status).toBe(200);
    },
  );

  it.each(["MESSAGE", "PUBLISH", "REFER", "SUBSCRIBE", "REGISTER", "OPTIONS"])(
    "%s is answered outside a dialog",
    async (method) => {
      await apps.attach(one, (srf) => {
        srf.use(method.toLowerCase(), (_req, res) => {
          res.send(202, { headers: { "X-App": method } });
        });
      });
      phone.send(
        one.port,
        phone.request({
          method,
          seq: 1,
          branch: `${phone.name}x`,
          headers: "Refer-To: <sip:x@y>\r\nEvent: presence\r\n",
        }),
      );
      expect((await phone.next(202)).header("X-App")).toBe(method);
    },
  );

  it("a SUBSCRIBE makes a dialog in which the application notifies until it ends", async () => {
    let subscriber: Dialog | undefined;
    let over = false;
    await apps.attach(one, (srf) => {
      srf.use("subscribe", (req, res) => {
        void srf.createUAS(req, res, { headers: { Expires: "600" } }).then((dialog) => {
          subscriber = dialog;
          dialog.on("unsubscribe", () => {
            over = true;
          });
        });
      });
    });
    phone.send(
      one.port,
      phone.request({
        method: "SUBSCRIBE",
        seq: 1,
        branch: `${phone.name}s`,
        headers: "Event: presence\r\nExpires: 600\r\n",
      }),
    );
    const accepted = await phone.next(({ status }) => status >= 200);
    await expect.poll(() => subscriber).toBeDefined();
    const notified = subscriber?.request({
      method: "NOTIFY",
      headers: { Event: "presence", "Subscription-State": "active" },
    });
    const notify = await phone.next("NOTIFY");
    expect(notify.from.tag).toBe(accepted.to.tag);
    phone.send(one.port, answer(notify));
    expect((await notified)?.status).toBe(200);
    phone.send(
      one.port,
      phone.request({
        method: "SUBSCRIBE",
        seq: 2,
        branch: `${phone.name}u`,
        toTag: accepted.to.tag ?? "",
        headers: "Event: presence\r\nExpires: 0\r\n",
      }),
    );
    await phone.next(({ status, cseq }) => status >= 200 && cseq.seq === 2);
    await expect.poll(() => over).toBe(true);
  });
});

describe("races", () => {
  it("refuses a 2xx for an INVITE that its caller has cancelled", async () => {
    let answered: unknown = "nothing";
    await apps.attach(one, (srf) => {
      srf.invite((req, res) => {
        req.on("cancel", () => {
          res.send(200, { body: SDP }, (error: unknown) => {
            answered = error;
          });
        });
        res.send(180);
      });
    });
    phone.send(one.port, phone.invite());
    await phone.next(180);
    phone.send(one.port, phone.request({ method: "CANCEL", seq: 1, branch: `${phone.name}i` }));
    await phone.next(487);
    await expect.poll(() => answered).toBe("Response not sent due to unknown transaction");
    expect(phone.inbox.filter(({ status, cseq }) => status === 200 && cseq.method === "INVITE")).toEqual([]);
  });

  it("tells the application that cancelled too late of the 2xx", async () => {
    const srf = await apps.attach(one);
    let sent: Message | undefined;
    const making = srf.createUAC(
      `sip:bob@127.0.0.1:${phone.port}`,
      { localSdp: SDP },
      { cbRequest: (_e: unknown, req: Message) => (sent = req) },
    );
    const invite = await phone.next("INVITE");
    phone.send(one.port, answer(invite, 180));
    await expect.poll(() => sent).toBeDefined();
    sent?.cancel();
    await phone.next("CANCEL");
    phone.send(one.port, answer(invite));
    await expect(making).resolves.toBeDefined();
    await phone.next("ACK");
  });

  it("bridges two telephones as createB2BUA does, and the BYE of one ends the other", async () => {
    const callee = await openUdpPhone();
    await apps.attach(one, (srf) => {
      srf.invite((req, res) => {
        void srf
          .createB2BUA(req, res, `sip:bob@127.0.0.1:${callee.port}`, { localSdpB: req.body })
          .then(({ uas, uac }) => {
            uas.on("destroy", () => void uac.destroy());
            uac.on("destroy", () => void uas.destroy());
          });
      });
    });
    phone.send(one.port, phone.invite());
    const invite = await callee.next("INVITE");
    callee.send(one.port, answerOf(callee, invite, 180));
    await phone.next(180);
    callee.send(one.port, answerOf(callee, invite));
    const ok = await phone.next(200);
    phone.send(one.port, request("ACK", ok.to.tag ?? "", 1));
    await callee.next("ACK");
    phone.send(one.port, request("BYE", ok.to.tag ?? "", 2));
    callee.send(one.port, answerOf(callee, await callee.next("BYE")));
    await phone.next(({ status, cseq }) => status === 200 && cseq.method === "BYE");
    callee.close();
  });
});

describe("several applications", () => {
  it("are given new calls in turn", async () => {
    const calls: string[] = [];
    for (const name of ["a", "b"])
      await apps.attach(one, (srf) => {
        srf.invite((_req, res) => {
          calls.push(name);
          res.send(486);
        });
      });
    for (const attempt of [1, 2, 3, 4]) {
      phone.send(one.port, phone.invite(`${phone.name}${attempt}`).replace("@test", `${attempt}@test`));
      await phone.next(486);
    }
    expect(calls.toSorted()).toEqual(["a", "a", "b", "b"]);
  });
});
