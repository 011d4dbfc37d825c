import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Message, type ProxyResult } from "#signaling/edge/testing/drachtio-app.ts";
import { answerOf, openUdpPhone, SDP, type UdpPhone } from "#signaling/edge/testing/udp-phone.ts";
import { useWireEdge } from "#signaling/edge/testing/use-wire-edge.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";

const { edge, phone: caller, apps } = useWireEdge();
let bob: UdpPhone;
let carol: UdpPhone;

beforeEach(async () => {
  [bob, carol] = await Promise.all([openUdpPhone(), openUdpPhone()]);
});
afterEach(() => {
  for (const phone of [bob, carol]) phone.close();
});

const uriOf = (phone: UdpPhone): string => `sip:bob@127.0.0.1:${phone.port}`;

/** An application that forwards every INVITE, and what it was told became of the last one. */
async function forwarding(targets: readonly UdpPhone[], options: object = {}) {
  const outcome: { result?: ProxyResult; error?: unknown } = {};
  await apps.attach(edge, (srf) => {
    srf.invite((req) => {
      srf.proxyRequest(req, targets.map(uriOf), options).then(
        (result) => (outcome.result = result),
        (error: unknown) => (outcome.error = error),
      );
    });
  });
  return outcome;
}

const reply = (phone: UdpPhone, got: SipMessage, status = 200, more = {}): void => {
  phone.send(edge.port, answerOf(phone, got, status, { toTag: phone.name, ...more }));
};

/** A request of the caller within the dialog that a 2xx made. */
function within(ok: SipMessage, method: string, seq: number, body = ""): string {
  const routes = ok
    .headers("record-route")
    .toReversed()
    .map((route) => `Route: ${route}\r\n`);
  return caller
    .request({
      method,
      seq,
      branch: `${caller.name}${method}${seq}`,
      toTag: ok.to.tag ?? "",
      headers: routes.join(""),
      body,
    })
    .replace(/^\S+ \S+ /, `${method} ${ok.contacts[0]?.uriText ?? ""} `);
}

describe("a request that an application proxies", () => {
  it("reaches the target with our Via on top, one hop less, its URI changed and everything else as it came", async () => {
    await forwarding([bob]);
    const sent = caller.invite().replace("Content-Length", "X-Odd: a,b\r\ns: compact\r\nContent-Length");
    caller.send(edge.port, sent);
    const got = await bob.next("INVITE");
    expect(got.uri).toBe(uriOf(bob));
    expect(got.via.map(({ port }) => port)).toEqual([Number(edge.advertised.split(":")[1]), caller.port]);
    expect(got.maxForwards).toBe(69);
    expect(got.header("X-Odd")).toBe("a,b");
    expect(got.header("Subject")).toBe("compact");
    expect(got.from.tag).toBe(caller.name);
    expect(got.contacts[0]?.uri.port).toBe(caller.port);
    expect(got.body).toBe(SDP);
    expect(got.headers("record-route")).toEqual([]);
    reply(bob, got, 486);
    await bob.next("ACK");
    expect((await caller.next(486)).to.tag).toBe(bob.name);
  });

  it("brings provisional responses and the 2xx back, and the application hears of each", async () => {
    const outcome = await forwarding([bob]);
    caller.send(edge.port, caller.invite());
    const got = await bob.next("INVITE");
    reply(bob, got, 180);
    const ringing = await caller.next(180);
    expect(ringing.viaCount).toBe(1);
    expect(ringing.to.tag).toBe(bob.name);
    reply(bob, got, 200);
    const ok = await caller.next(200);
    expect(ok.body).toBe(SDP);
    expect(ok.viaCount).toBe(1);
    await expect.poll(() => outcome.result).toMatchObject({ connected: true, finalStatus: 200 });
    const told = outcome.result?.responses.flatMap(({ msgs }) => msgs.map(({ status }) => status));
    expect(told).toEqual([180, 200]);
    reply(bob, got, 200);
    // It is its sender who repeats a 2xx, and each copy is passed on.
    await caller.next(200);
  });

  it("passes a failure on, acknowledges it itself, and absorbs the caller's ACK", async () => {
    const outcome = await forwarding([bob]);
    caller.send(edge.port, caller.invite());
    const got = await bob.next("INVITE");
    reply(bob, got, 603);
    expect((await bob.next("ACK")).topVia.branch).toBe(got.topVia.branch);
    const failed = await caller.next(603);
    caller.send(
      edge.port,
      caller.request({ method: "ACK", seq: 1, branch: `${caller.name}i`, toTag: failed.to.tag ?? "" }),
    );
    await expect.poll(() => outcome.result).toMatchObject({ connected: false, finalStatus: 603 });
    expect(bob.inbox.filter(({ method }) => method === "ACK")).toHaveLength(0);
  });

  it("stays in the dialog when asked to: ACK, re-INVITE, INFO and BYE pass through both ways", async () => {
    await forwarding([bob], { remainInDialog: true });
    caller.send(edge.port, caller.invite());
    const got = await bob.next("INVITE");
    expect(got.recordRoutes[0]?.uri.params.has("lr")).toBe(true);
    reply(bob, got, 200);
    const ok = await caller.next(200);
    caller.send(edge.port, within(ok, "ACK", 1));
    expect((await bob.next("ACK")).headers("route")).toEqual([]);
    caller.send(edge.port, within(ok, "INFO", 2));
    reply(bob, await bob.next("INFO"));
    expect((await caller.next(200)).cseq.method).toBe("INFO");
    caller.send(edge.port, within(ok, "INVITE", 3, SDP));
    const again = await bob.next("INVITE");
    reply(bob, again, 488);
    await bob.next("ACK");
    const refused = await caller.next(488);
    caller.send(
      edge.port,
      within(ok, "ACK", 3)
        .replace("ACK3", "INVITE3")
        .replace(/tag=\S+\r\nCall/, `tag=${refused.to.tag ?? ""}\r\nCall`),
    );
    // The callee hangs up: its route set is the Record-Route as it came.
    const routes = got.headers("record-route").map((route) => `Route: ${route}\r\n`);
    bob.send(
      edge.port,
      `BYE sip:alice@127.0.0.1:${caller.port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${bob.port};branch=z9hG4bK${bob.name}\r\nMax-Forwards: 70\r\n` +
        `From: <sip:group@127.0.0.1>;tag=${bob.name}\r\nTo: "A" <sip:alice@crossband.local>;tag=${caller.name}\r\n` +
        `Call-ID: ${got.callId}\r\nCSeq: 1 BYE\r\n${routes.join("")}Content-Length: 0\r\n\r\n`,
    );
    const bye = await caller.next("BYE");
    expect(bye.viaCount).toBe(2);
    caller.send(edge.port, answerOf(caller, bye));
    expect((await bob.next(200)).cseq.method).toBe("BYE");
  });

  it("refuses a stranger's request that names the call in its Route", async () => {
    await forwarding([bob], { remainInDialog: true });
    caller.send(edge.port, caller.invite());
    reply(bob, await bob.next("INVITE"), 200);
    const ok = await caller.next(200);
    carol.send(
      edge.port,
      within(ok, "BYE", 2)
        .replaceAll(String(caller.port), String(carol.port))
        .replace(`${caller.name}@test`, "other"),
    );
    await carol.next(481);
  });

  it("is cancelled at its target, whose 487 is passed back", async () => {
    const outcome = await forwarding([bob]);
    caller.send(edge.port, caller.invite());
    const got = await bob.next("INVITE");
    reply(bob, got, 180);
    await caller.next(180);
    caller.send(edge.port, caller.request({ method: "CANCEL", seq: 1, branch: `${caller.name}i` }));
    expect((await caller.next(200)).cseq.method).toBe("CANCEL");
    const cancel = await bob.next("CANCEL");
    expect(cancel.topVia.branch).toBe(got.topVia.branch);
    reply(bob, cancel);
    reply(bob, got, 487);
    expect((await caller.next(487)).cseq.method).toBe("INVITE");
    await expect.poll(() => outcome.result?.finalStatus).toBe(487);
  });

  it("is forwarded when it is no INVITE as well", async () => {
    await apps.attach(edge, (srf) => {
      srf.message((req) => void srf.proxyRequest(req, uriOf(bob)));
    });
    caller.send(edge.port, caller.request({ method: "MESSAGE", seq: 1, branch: `${caller.name}m` }));
    reply(bob, await bob.next("MESSAGE"), 202);
    await caller.next(202);
  });

  it("takes headers from the application", async () => {
    await forwarding([bob], { headers: { "X-Added": "yes", Subject: "new" } });
    caller.send(edge.port, caller.invite());
    const got = await bob.next("INVITE");
    expect(got.header("X-Added")).toBe("yes");
    reply(bob, got, 486);
    await caller.next(486);
  });
});

describe("several targets", () => {
  it("are tried one after the other, and the first success counts", async () => {
    const outcome = await forwarding([bob, carol]);
    caller.send(edge.port, caller.invite());
    reply(bob, await bob.next("INVITE"), 480);
    await bob.next("ACK");
    const second = await carol.next("INVITE");
    expect(caller.inbox.some(({ status }) => status === 480)).toBe(false);
    reply(carol, second, 200);
    expect((await caller.next(200)).to.tag).toBe(carol.name);
    await expect.poll(() => outcome.result).toMatchObject({ connected: true });
  });

  it("ring at once when forked, the first to answer cancels the other, and the 487 stays here", async () => {
    await forwarding([bob, carol], { forking: "simultaneous" });
    caller.send(edge.port, caller.invite());
    const [first, second] = await Promise.all([bob.next("INVITE"), carol.next("INVITE")]);
    expect(first.topVia.branch).not.toBe(second.topVia.branch);
    reply(bob, first, 180);
    reply(carol, second, 180);
    reply(carol, second, 200);
    await caller.next(200);
    reply(bob, await bob.next("CANCEL"));
    reply(bob, first, 487);
    await bob.next("ACK");
    expect(caller.inbox.some(({ status }) => status === 487)).toBe(false);
  });

  it("that all fail are told by the best of their responses, with the challenges of all", async () => {
    await forwarding([bob, carol], { forking: "simultaneous" });
    caller.send(edge.port, caller.invite());
    const [first, second] = await Promise.all([bob.next("INVITE"), carol.next("INVITE")]);
    reply(bob, first, 404);
    reply(carol, second, 407, { headers: 'Proxy-Authenticate: Digest realm="c", nonce="n"\r\n' });
    const told = await caller.next(407);
    expect(told.header("Proxy-Authenticate")).toContain('realm="c"');
  });

  it("are left alone after a 6xx", async () => {
    await forwarding([bob, carol]);
    caller.send(edge.port, caller.invite());
    reply(bob, await bob.next("INVITE"), 603);
    await caller.next(603);
    expect(carol.inbox).toEqual([]);
  });

  it("give way to the next one when they stay silent, and are cancelled when they speak after all", async () => {
    await forwarding([bob, carol], { provisionalTimeout: "200ms" });
    caller.send(edge.port, caller.invite());
    const first = await bob.next("INVITE");
    const second = await carol.next("INVITE");
    reply(bob, first, 180);
    await bob.next("CANCEL");
    reply(carol, second, 486);
    await caller.next(408);
  });

  it("give way to the next one when they ring too long", async () => {
    await forwarding([bob, carol], { finalTimeout: "300ms" });
    caller.send(edge.port, caller.invite());
    const first = await bob.next("INVITE");
    reply(bob, first, 180);
    await bob.next("CANCEL");
    reply(carol, await carol.next("INVITE"), 200);
    expect((await caller.next(200)).to.tag).toBe(carol.name);
  });

  it("follow a redirection when asked to", async () => {
    await forwarding([bob], { followRedirects: true });
    caller.send(edge.port, caller.invite());
    const first = await bob.next("INVITE");
    bob.send(edge.port, answerOf(carol, first, 302));
    await bob.next("ACK");
    const second = await carol.next("INVITE");
    expect(second.uri).toBe(`sip:bob@127.0.0.1:${carol.port}`);
    reply(carol, second, 200);
    await caller.next(200);
  });

  it("leave a redirection to the caller otherwise", async () => {
    await forwarding([bob]);
    caller.send(edge.port, caller.invite());
    bob.send(edge.port, answerOf(carol, await bob.next("INVITE"), 302));
    expect((await caller.next(302)).contacts[0]?.uri.port).toBe(carol.port);
  });

  it("that cannot be found are told as 500", async () => {
    await apps.attach(edge, (srf) => {
      srf.invite(
        (req: Message) => void srf.proxyRequest(req, "sip:x@nowhere.invalid").catch(() => undefined),
      );
    });
    caller.send(edge.port, caller.invite());
    await caller.next(500);
  });
});
