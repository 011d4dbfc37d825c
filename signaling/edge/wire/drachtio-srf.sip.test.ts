import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { describe, expect, it } from "vitest";
import { type Dialog, type Message, startWireEdge } from "#signaling/edge/testing/drachtio-app.ts";
import { SDP } from "#signaling/edge/testing/udp-phone.ts";
import { useWireEdge } from "#signaling/edge/testing/use-wire-edge.ts";

const { redis, edge: one, phone, apps, within: request, answer } = useWireEdge();

describe("a drachtio application that is called", () => {
  it("answers an INVITE with createUAS, and its dialog hears the BYE", async () => {
    let bye: Message | undefined;
    await apps.attach(one, (srf) => {
      srf.invite((req, res) => {
        void srf.createUAS(req, res, { localSdp: SDP, headers: { "X-App": "yes" } }).then((dialog) => {
          dialog.on("destroy", (message) => {
            bye = message;
          });
        });
      });
    });
    phone.send(one.port, phone.invite());
    const ok = await phone.next(200);
    expect(ok.body).toBe(SDP);
    expect(ok.header("X-App")).toBe("yes");
    phone.send(one.port, request("ACK", ok.to.tag ?? "", 1));
    phone.send(one.port, request("BYE", ok.to.tag ?? "", 2));
    expect((await phone.next(200)).cseq.method).toBe("BYE");
    await expect.poll(() => bye?.get("Call-ID")).toBe(ok.callId);
  });

  it("hears the CANCEL of an INVITE it has not answered", async () => {
    let cancelled = false;
    await apps.attach(one, (srf) => {
      srf.invite((req, res) => {
        req.on("cancel", () => {
          cancelled = true;
        });
        res.send(180);
      });
    });
    phone.send(one.port, phone.invite());
    await phone.next(180);
    phone.send(one.port, phone.request({ method: "CANCEL", seq: 1, branch: `${phone.name}i` }));
    expect((await phone.next(487)).cseq.method).toBe("INVITE");
    await expect.poll(() => cancelled).toBe(true);
  });

  it("ends the call itself with destroy, and holds it with a re-INVITE", async () => {
    let dialog: Dialog | undefined;
    await apps.attach(one, (srf) => {
      srf.invite((req, res) => {
        void srf.createUAS(req, res, { localSdp: SDP }).then((made) => {
          dialog = made;
        });
      });
    });
    phone.send(one.port, phone.invite());
    const ok = await phone.next(200);
    phone.send(one.port, request("ACK", ok.to.tag ?? "", 1));
    await expect.poll(() => dialog?.sip.localTag).toBe(ok.to.tag);
    const info = dialog?.request({
      method: "INFO",
      headers: { "Content-Type": "application/dtmf-relay" },
      body: "Signal=5\r\n",
    });
    const got = await phone.next("INFO");
    expect(got.body).toBe("Signal=5\r\n");
    phone.send(one.port, answer(got));
    expect((await info)?.status).toBe(200);
    const ended = dialog?.destroy();
    phone.send(one.port, answer(await phone.next("BYE")));
    await ended;
  });

  it("answers OPTIONS, and 503 is said for what it did not ask for", async () => {
    await apps.attach(one, (srf) => {
      srf.options((_req, res) => {
        res.send(200, { headers: { "X-App": "options" } });
      });
    });
    phone.send(one.port, phone.request({ method: "OPTIONS", seq: 1, branch: `${phone.name}o` }));
    expect((await phone.next(200)).header("X-App")).toBe("options");
    phone.send(one.port, phone.request({ method: "MESSAGE", seq: 1, branch: `${phone.name}m` }));
    expect((await phone.next(503)).cseq.method).toBe("MESSAGE");
  });
});

describe("a drachtio application that calls", () => {
  it("sends a request outside a dialog and sees its response", async () => {
    const srf = await apps.attach(one);
    const sent = await srf.request(`sip:bob@127.0.0.1:${phone.port}`, {
      method: "OPTIONS",
      headers: { Subject: "hello" },
    });
    const response = new Promise<Message>((resolve) => {
      sent.on("response", resolve);
    });
    const got = await phone.next("OPTIONS");
    expect(got.header("Subject")).toBe("hello");
    expect(got.from.uri.host).not.toBe("localhost");
    phone.send(one.port, answer(got));
    expect((await response).status).toBe(200);
  });

  it("makes a call with createUAC and ends it", async () => {
    const srf = await apps.attach(one);
    const making = srf.createUAC(`sip:bob@127.0.0.1:${phone.port}`, { localSdp: SDP });
    const invite = await phone.next("INVITE");
    phone.send(one.port, answer(invite, 180));
    phone.send(one.port, answer(invite));
    const dialog = await making;
    expect((await phone.next("ACK")).cseq.seq).toBe(invite.cseq.seq);
    const ended = dialog.destroy();
    phone.send(one.port, answer(await phone.next("BYE")));
    await ended;
  });

  it("cancels an INVITE that rings", async () => {
    const srf = await apps.attach(one);
    let sent: Message | undefined;
    const making = srf.createUAC(
      `sip:bob@127.0.0.1:${phone.port}`,
      { localSdp: SDP },
      { cbRequest: (_error: unknown, req: Message) => (sent = req) },
    );
    const invite = await phone.next("INVITE");
    phone.send(one.port, answer(invite, 180));
    await expect.poll(() => sent).toBeDefined();
    sent?.cancel();
    phone.send(one.port, answer(await phone.next("CANCEL")));
    phone.send(one.port, answer(invite, 487));
    await expect(making).rejects.toMatchObject({ status: 487 });
    await phone.next("ACK");
  });
});

describe("call records of applications", () => {
  it("tell of attempt, start and stop to one who asked for them", async () => {
    const told: string[] = [];
    await apps.attach(
      one,
      (srf) => {
        srf.on("cdr:attempt", (source) => told.push(`attempt ${String(source)}`));
        srf.on("cdr:start", (source, _time, role) => told.push(`start ${String(source)} ${String(role)}`));
        srf.on("cdr:stop", (source, _time, reason) => told.push(`stop ${String(source)} ${String(reason)}`));
        srf.invite((req, res) => {
          void srf.createUAS(req, res, { localSdp: SDP });
        });
      },
      { routes: 4 },
    );
    phone.send(one.port, phone.invite());
    const ok = await phone.next(200);
    phone.send(one.port, request("ACK", ok.to.tag ?? "", 1));
    phone.send(one.port, request("BYE", ok.to.tag ?? "", 2));
    await phone.next(200);
    await expect
      .poll(() => told)
      .toEqual(["attempt network", "start application uas", "stop network normal-release"]);
  });
});

describe("bad applications", () => {
  it.each([
    ["garbage", "GET / HTTP/1.1\r\n\r\n"],
    ["a command before the secret", "15#u1|route|invite"],
    ["a frame that is too long", "100000#"],
  ])("are disconnected when they send %s, and others go on", async (_, bytes) => {
    const socket = connectTcp(one.drachtio, "127.0.0.1");
    socket.write(bytes);
    await once(socket, "close");
    await apps.attach(one, (srf) => {
      srf.options((_req, res) => {
        res.send(200);
      });
    });
    phone.send(one.port, phone.request({ method: "OPTIONS", seq: 1, branch: `${phone.name}o` }));
    await phone.next(200);
  });

  it("are told NOK when they name what does not exist", async () => {
    const srf = await apps.attach(one);
    const uri = "sip:placeholder";
    await expect(srf.request(uri, { method: "BYE", stackDialogId: "x|y" })).rejects.toThrow();
    await expect(srf.request(uri, { method: "BYE", stackDialogId: "none" })).rejects.toMatchObject({
      code: "ENODIALOG",
    });
    await expect(srf.request(uri, { method: "CANCEL", stackTxnId: "none" })).rejects.toThrow(
      "unknown transaction",
    );
  });
});

describe("attachment", () => {
  it("answers 480 while no application is attached", async () => {
    phone.send(one.port, phone.invite());
    expect((await phone.next(480)).cseq.method).toBe("INVITE");
  });

  it("refuses a wrong secret", async () => {
    await expect(apps.attach(one, undefined, { secret: "wrong" })).rejects.toThrow("failed to authenticate");
  });

  it("gives the unanswered INVITE of an application that is gone to another one", async () => {
    const first = await apps.attach(one, (srf) => {
      srf.invite((_req, res) => {
        res.send(180);
      });
    });
    phone.send(one.port, phone.invite());
    await phone.next(180);
    await apps.attach(one, (srf) => {
      srf.invite((_req, res) => {
        res.send(486);
      });
    });
    apps.detach(first);
    expect((await phone.next(486)).cseq.method).toBe("INVITE");
  });

  it("hands the BYE of a call to the application that has it, whichever instance it arrives at", async () => {
    const two = await startWireEdge(redis.url, "two");
    try {
      let ended = false;
      await apps.attach(one, (srf) => {
        srf.invite((req, res) => {
          void srf.createUAS(req, res, { localSdp: SDP }).then((dialog) => {
            dialog.on("destroy", () => {
              ended = true;
            });
          });
        });
      });
      phone.send(one.port, phone.invite());
      const ok = await phone.next(200);
      phone.send(one.port, request("ACK", ok.to.tag ?? "", 1));
      phone.send(two.port, request("BYE", ok.to.tag ?? "", 2));
      expect((await phone.next(200)).cseq.method).toBe("BYE");
      await expect.poll(() => ended).toBe(true);
    } finally {
      await two.close();
    }
  });
});

describe("what the application hears of its INVITE's failure and redirection", () => {
  it("answers a digest challenge with the credentials it was given, in the same dialog", async () => {
    const srf = await apps.attach(one);
    const making = srf.createUAC(`sip:bob@127.0.0.1:${phone.port}`, {
      localSdp: SDP,
      auth: { username: "alice", password: "secret" },
    });
    const first = await phone.next("INVITE");
    phone.send(
      one.port,
      answer(first, 401, { headers: 'WWW-Authenticate: Digest realm="r", nonce="n"\r\n' }),
    );
    const second = await phone.next(({ method, cseq }) => method === "INVITE" && cseq.seq > first.cseq.seq);
    expect(second.header("Authorization")).toContain('username="alice"');
    expect(second.callId).toBe(first.callId);
    expect(second.from.tag).toBe(first.from.tag);
    expect(second.cseq.seq).toBe(first.cseq.seq + 1);
    phone.send(one.port, answer(second));
    const dialog = await making;
    await phone.next(({ method, cseq }) => method === "ACK" && cseq.seq === second.cseq.seq);
    const ended = dialog.destroy();
    phone.send(one.port, answer(await phone.next("BYE")));
    await ended;
  });

  it("follows a redirection", async () => {
    const srf = await apps.attach(one);
    const making = srf.createUAC(`sip:bob@127.0.0.1:${phone.port}`, { localSdp: SDP, followRedirects: true });
    const first = await phone.next("INVITE");
    phone.send(one.port, answer(first, 302).replace("Contact: <sip:bob@", "Contact: <sip:carol@"));
    const second = await phone.next(({ uri }) => uri.startsWith("sip:carol@"));
    phone.send(one.port, answer(second));
    await making;
  });

  it("redirects a caller", async () => {
    await apps.attach(one, (srf) => {
      srf.invite((_req, res) => {
        res.send(302, { headers: { Contact: "<sip:elsewhere@example.net>" } });
      });
    });
    phone.send(one.port, phone.invite());
    expect((await phone.next(302)).contacts[0]?.uriText).toBe("sip:elsewhere@example.net");
  });

  it("leaves the offer to the callee and sends the answer with its ACK", async () => {
    const srf = await apps.attach(one);
    const making = srf.createUAC(`sip:bob@127.0.0.1:${phone.port}`, {
      localSdp: "",
      noAck: true,
    }) as unknown as Promise<{
      sdp: string;
      ack(sdp: string): Promise<Dialog>;
    }>;
    const invite = await phone.next("INVITE");
    expect(invite.body).toBe("");
    phone.send(one.port, answer(invite));
    const offered = await making;
    expect(offered.sdp).toBe(SDP);
    await offered.ack(SDP);
    const ack = await phone.next("ACK");
    expect(ack.body).toBe(SDP);
    expect(ack.contentType).toBe("application/sdp");
  });

  it("hears the answer in the caller's ACK when it made the offer itself", async () => {
    let heard: string | undefined;
    await apps.attach(one, (srf) => {
      srf.invite((req, res) => {
        void srf.createUAS(req, res, { localSdp: SDP }).then((dialog) => {
          dialog.on("ack", (ack) => {
            heard = ack.body;
          });
        });
      });
    });
    phone.send(one.port, phone.request({ method: "INVITE", seq: 1, branch: `${phone.name}i` }));
    const ok = await phone.next(200);
    phone.send(one.port, request("ACK", ok.to.tag ?? "", 1, SDP));
    await expect.poll(() => heard).toBe(SDP);
  });
});
