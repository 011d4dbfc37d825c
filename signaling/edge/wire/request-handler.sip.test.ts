import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Srf } from "#signaling/edge/testing/drachtio-srf.ts";
import { answerOf, SDP, openUdpPhone } from "#signaling/edge/testing/udp-phone.ts";
import { useWireEdge } from "#signaling/edge/testing/use-wire-edge.ts";
import { freePort } from "#test/setup/free-ports.ts";

let http: Server;
/** What the handler answers, and what it was asked. */
let answer: unknown;
let asked: URL | undefined;

beforeAll(async () => {
  http = createServer((request: IncomingMessage, response) => {
    asked = new URL(request.url ?? "", "http://handler");
    response.end(typeof answer === "string" ? answer : JSON.stringify(answer));
  }).listen(0, "127.0.0.1");
  await once(http, "listening");
});
afterAll(() => {
  http.close();
});
const { edge, phone, apps, within } = useWireEdge(() => ({
  drachtio: {
    requestHandler: `http://127.0.0.1:${(http.address() as AddressInfo).port}/route`,
    requestHandlerMethods: ["INVITE"],
  },
}));

/** An application that listens. */
async function listening(
  setUp: (srf: Srf) => void,
  secret = "cymru",
): Promise<{ port: number; close(): void }> {
  const port = await freePort();
  const srf = new Srf();
  setUp(srf);
  const ready = new Promise((resolve) => {
    srf.on("listening", resolve);
  });
  srf.listen({ host: "127.0.0.1", port, secret });
  await ready;
  return {
    port,
    close() {
      (srf as unknown as { app: { client: { wp: { close(): void } } } }).app.client.wp.close();
    },
  };
}

describe("an INVITE that the request handler is asked about", () => {
  it("tells it of method, addresses, transport and content", async () => {
    answer = { action: "reject", data: { status: 603, reason: "No" } };
    phone.send(edge.port, phone.invite());
    expect((await phone.next(603)).reason).toBe("No");
    expect(Object.fromEntries(asked?.searchParams ?? [])).toMatchObject({
      method: "INVITE",
      domain: "127.0.0.1",
      protocol: "udp",
      source_address: "127.0.0.1",
      fromUser: "alice",
      toUser: "group",
      uriUser: "group",
      contentType: "application/sdp",
      uri: "sip:group@127.0.0.1",
    });
  });

  it("goes to the application that listens at the address it names, and so does the rest of the call", async () => {
    let ended = false;
    const app = await listening((srf) => {
      srf.invite((req, res) => {
        void srf.createUAS(req, res, { localSdp: SDP }).then((dialog) => {
          dialog.on("destroy", (bye) => {
            ended = true;
            srf.endSession(bye);
          });
        });
      });
    });
    answer = { action: "route", data: { uri: `127.0.0.1:${app.port}` } };
    phone.send(edge.port, phone.invite());
    const tag = (await phone.next(200)).to.tag ?? "";
    phone.send(edge.port, within("ACK", tag, 1));
    phone.send(edge.port, within("BYE", tag, 2));
    expect((await phone.next(200)).cseq.method).toBe("BYE");
    await expect.poll(() => ended).toBe(true);
    await expect.poll(() => edge.wire.clients).toBe(0);
    app.close();
  });

  it("goes to one that is attached under the tag it names", async () => {
    await apps.attach(edge, (srf) => { srf.invite((_req, res) => { res.send(486); }); }, { tags: ["ivr"] }); // prettier-ignore
    await apps.attach(edge, (srf) => { srf.invite((_req, res) => { res.send(600); }); }, { tags: ["other"] }); // prettier-ignore
    answer = { action: "route", data: { tag: "ivr" } };
    phone.send(edge.port, phone.invite());
    await phone.next(486);
  });

  it("is redirected", async () => {
    answer = { action: "redirect", data: { contact: ["sip:a@example.net", "<sip:b@example.net>"] } };
    phone.send(edge.port, phone.invite());
    const redirected = await phone.next(302);
    expect(redirected.contacts.map(({ uriText }) => uriText)).toEqual([
      "sip:a@example.net",
      "sip:b@example.net",
    ]);
  });

  it("is proxied", async () => {
    const bob = await openUdpPhone();
    answer = { action: "proxy", data: { destination: `127.0.0.1:${bob.port}`, recordRoute: true } };
    phone.send(edge.port, phone.invite());
    const invite = await bob.next("INVITE");
    expect(invite.recordRoutes).toHaveLength(1);
    bob.send(edge.port, answerOf(bob, invite));
    await phone.next(200);
    bob.close();
  });

  it.each([
    ["an application that nobody runs", () => ({ action: "route", data: { uri: "127.0.0.1:1" } }), 480],
    ["a tag that nobody has", () => ({ action: "route", data: { tag: "nobody" } }), 480],
    ["no JSON", () => "oops", 500],
    ["an unknown action", () => ({ action: "dance", data: {} }), 500],
    ["an impossible status", () => ({ action: "reject", data: { status: 200 } }), 500],
  ])("is refused when the handler answers %s", async (_, given, status) => {
    answer = given();
    phone.send(edge.port, phone.invite());
    await phone.next(status);
  });

  it("is refused by 480 when the application does not know the secret", async () => {
    const app = await listening(() => undefined, "wrong");
    answer = { action: "route", data: { uri: `127.0.0.1:${app.port}` } };
    phone.send(edge.port, phone.invite());
    await phone.next(480);
    app.close();
  });
});

describe("other methods", () => {
  it("go by the routes of attached applications", async () => {
    await apps.attach(edge, (srf) => { srf.options((_req, res) => { res.send(200); }); }); // prettier-ignore
    phone.send(edge.port, phone.request({ method: "OPTIONS", seq: 1, branch: `${phone.name}o` }));
    await phone.next(200);
  });
});
