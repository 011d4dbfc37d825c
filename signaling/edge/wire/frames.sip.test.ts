import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { openFrameClient, type FrameClient } from "#signaling/edge/testing/frame-client.ts";
import { answerOf, SDP } from "#signaling/edge/testing/udp-phone.ts";
import { useWireEdge } from "#signaling/edge/testing/use-wire-edge.ts";

const { edge, phone, within } = useWireEdge();
const clients: FrameClient[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

async function open(): Promise<FrameClient> {
  const client = await openFrameClient(edge.drachtio);
  clients.push(client);
  return client;
}

/** A client that has named the secret and these routes. */
async function attach(verbs: readonly string[] = [], tags = ""): Promise<FrameClient> {
  const client = await open();
  client.frame(`a|authenticate|cymru|${tags}`);
  expect((await client.reply("a"))[0]).toBe("OK");
  for (const verb of verbs) {
    client.frame(`r${verb}|route|${verb}`);
    expect(await client.reply(`r${verb}`)).toEqual(["OK"]);
  }
  return client;
}

const response = (status: number, more = ""): string => `SIP/2.0 ${status} X\r\n${more}\r\n`;

describe("authenticate", () => {
  it("is answered with our addresses, a version from which clients ping, and the addresses again", async () => {
    const client = await open();
    client.frame("a|authenticate|cymru|x,y");
    const at = `udp/${edge.advertised},tcp/${edge.advertised}`;
    expect(await client.reply("a")).toEqual(["OK", at, "v0.9.4", at]);
  });

  it("with a wrong secret is answered NO, and the connection is closed", async () => {
    const client = await open();
    client.frame("a|authenticate|wrong|");
    expect(await client.reply("a")).toEqual(["NO", "incorrect secret"]);
    await expect.poll(() => client.closed).toBe(true);
  });
});

describe("frames", () => {
  it("are read when they come joined, and when they come byte by byte", async () => {
    const client = await attach();
    client.write("6#p|ping6#q|ping");
    expect(await client.reply("p")).toEqual(["OK", "pong"]);
    expect(await client.reply("q")).toEqual(["OK", "pong"]);
    for (const byte of "6#s|ping") client.write(byte);
    expect(await client.reply("s")).toEqual(["OK", "pong"]);
  });

  it("may be 99,999 bytes long, and no longer", async () => {
    const client = await attach();
    const head = "l|sip||\r\nMESSAGE sip:a@b SIP/2.0\r\nSubject: ";
    client.frame(`${head}${"x".repeat(99_999 - head.length)}`);
    expect((await client.reply("l"))[0]).toBe("NOK");
    client.write("100000#x");
    await once(client.socket, "close");
  });

  it("of an unknown kind are refused, and the connection goes on", async () => {
    const client = await attach();
    client.frame("x|invent|thing");
    expect(await client.reply("x")).toEqual(["NO", "Unknown message type"]);
    client.frame("p|ping");
    expect(await client.reply("p")).toEqual(["OK", "pong"]);
  });

  it("with a header value that holds a line end never put a header on the wire", async () => {
    const client = await attach();
    client.frame(
      `m|sip||\r\nOPTIONS sip:b@127.0.0.1:${phone.port} SIP/2.0\r\nSubject: a\rX-Smuggled: b\r\n\r\n`,
    );
    expect((await client.reply("m"))[0]).toBe("NOK");
    expect(phone.inbox).toEqual([]);
  });

  it("give the body by the length of the frame, whatever Content-Length says", async () => {
    const client = await attach();
    const body = "h\xc3\xa9\xc3\xa9";
    client.frame(
      `m|sip||\r\nMESSAGE sip:b@127.0.0.1:${phone.port} SIP/2.0\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\n${body}`,
    );
    expect((await phone.next("MESSAGE")).body).toBe(body);
  });
});

describe("route", () => {
  it("counts once however often it comes, and remove_route takes back that verb alone", async () => {
    const client = await attach(["options", "options", "message"]);
    expect(edge.wire.routes).toBe(2);
    client.frame("x|remove_route|options");
    expect(await client.reply("x")).toEqual(["OK"]);
    phone.send(edge.port, phone.request({ method: "OPTIONS", seq: 1, branch: `${phone.name}o` }));
    await phone.next(503);
    phone.send(edge.port, phone.request({ method: "MESSAGE", seq: 1, branch: `${phone.name}m` }));
    const frame = await client.sip("MESSAGE");
    client.frame(`n|sip|${frame.tokens[8] ?? ""}|\r\n${response(200)}`);
    await phone.next(200);
  });
});

describe("a request from the network", () => {
  it("comes with source, bytes, protocol, address, port, time, transaction, no dialog, and where it was received", async () => {
    const client = await attach(["invite"]);
    const text = phone.invite();
    phone.send(edge.port, text);
    const { tokens, payload } = await client.sip("INVITE");
    const [host = "", port = ""] = edge.advertised.split(":");
    expect(tokens).toHaveLength(13);
    expect(tokens.slice(1, 7)).toEqual([
      "sip",
      "network",
      String(payload.length),
      "udp",
      "127.0.0.1",
      String(phone.port),
    ]);
    expect(tokens[7]).toMatch(/^\d\d:\d\d:\d\d\.\d{6}$/);
    expect(tokens[8]).toMatch(/^[\w.-]+$/);
    expect(tokens.slice(9)).toEqual(["", host, port, ""]);
    client.frame(`n|sip|${tokens[8] ?? ""}|\r\n${response(486)}`);
    await phone.next(486);
  });

  it("is answered by its transaction alone, and the reply names transaction, dialog and what was sent", async () => {
    const client = await attach(["invite"]);
    phone.send(edge.port, phone.invite());
    const txn = (await client.sip("INVITE")).tokens[8] ?? "";
    client.frame(`n|sip|${txn}|\r\nSIP/2.0 200 OK\r\n\r\n${SDP}`);
    const { tokens, payload } = await client.next(
      ({ tokens: [, type, id] }) => type === "response" && id === "n",
    );
    expect(tokens.slice(3, 5)).toEqual(["OK", "application"]);
    expect(tokens[5]).toBe(String(payload.length));
    expect(tokens[10]).toBe(txn);
    const ok = await phone.next(200);
    expect(tokens[11]).toBe(ok.to.tag);
    expect(tokens.slice(12)).toEqual(["", "Msg sent:", ""]);
    expect(payload).toBe(ok.text);
    expect(ok.contentType).toBe("application/sdp");
    // ACK: no protocol, the transaction of the INVITE, and the dialog.
    phone.send(edge.port, within("ACK", ok.to.tag ?? "", 1));
    const ack = await client.sip("ACK");
    expect(ack.tokens[4]).toBe("");
    expect(ack.tokens.slice(8, 10)).toEqual([txn, ok.to.tag]);
    // BYE: a transaction of its own in that dialog.
    phone.send(edge.port, within("BYE", ok.to.tag ?? "", 2));
    const bye = await client.sip("BYE");
    expect(bye.tokens[9]).toBe(ok.to.tag);
    expect(bye.tokens).toHaveLength(10);
    client.frame(`b|sip|${bye.tokens[8] ?? ""}|\r\n${response(200)}`);
    expect((await client.reply("b"))[8]).toBe("");
    await phone.next(({ cseq }) => cseq.method === "BYE");
  });

  it("is told with its CANCEL under the same transaction and the dialog that it would have made", async () => {
    const client = await attach(["invite"]);
    phone.send(edge.port, phone.invite());
    const txn = (await client.sip("INVITE")).tokens[8] ?? "";
    client.frame(`n|sip|${txn}|\r\n${response(180)}`);
    await phone.next(180);
    phone.send(edge.port, phone.request({ method: "CANCEL", seq: 1, branch: `${phone.name}i` }));
    const cancel = await client.sip("CANCEL");
    expect(cancel.tokens[8]).toBe(txn);
    expect(cancel.tokens[9]).not.toBe("");
    client.frame(`l|sip|${txn}|\r\n${response(486)}`);
    expect(await client.reply("l")).toEqual(["NOK", "Response not sent due to unknown transaction"]);
  });

  it("without Contact is not told when a dialog would need one", async () => {
    await attach(["invite"]);
    phone.send(edge.port, phone.invite().replace(/Contact: .*\r\n/, ""));
    expect((await phone.next(400)).reason).toBe("Missing Contact");
  });

  it("is told with long header names", async () => {
    const client = await attach(["message"]);
    const text = phone.request({
      method: "MESSAGE",
      seq: 1,
      branch: `${phone.name}m`,
      headers: "o: presence\r\ns: hi\r\n",
    });
    phone.send(edge.port, text);
    const { payload, tokens } = await client.sip("MESSAGE");
    expect(payload).toContain("\r\nEvent: presence\r\nSubject: hi\r\n");
    client.frame(`n|sip|${tokens[8] ?? ""}|\r\n${response(200)}`);
    await phone.next(200);
  });
});

describe("a request of the application", () => {
  const options = (more = ""): string => `OPTIONS sip:b@127.0.0.1:${phone.port} SIP/2.0\r\n${more}\r\n`;

  it.each([
    ["three tokens", "m|sip|"],
    ["four tokens", "m|sip||"],
    ["five tokens", "m|sip|||"],
  ])("is taken with a leader of %s", async (_, leader) => {
    const client = await attach();
    client.frame(`${leader}\r\n${options()}`);
    const reply = await client.reply("m");
    expect(reply.slice(0, 2)).toEqual(["OK", "application"]);
    expect(reply[7]).not.toBe("");
    expect(reply[8]).toBe("Msg sent:");
    phone.send(edge.port, answerOf(phone, await phone.next("OPTIONS")));
    expect((await client.sip("200")).tokens[8]).toBe(reply[7]);
  });

  it("goes to the hop that its fifth token names, rather than to its URI", async () => {
    const client = await attach();
    client.frame(`m|sip|||sip:127.0.0.1:${phone.port}\r\nOPTIONS sip:b@example.net SIP/2.0\r\n\r\n`);
    expect((await phone.next("OPTIONS")).uri).toBe("sip:b@example.net");
  });

  it("replaces the placeholders of From and Contact by our address, and keeps their users", async () => {
    const client = await attach();
    client.frame(
      `m|sip||\r\nREGISTER sip:127.0.0.1:${phone.port} SIP/2.0\r\nfrom: sip:7001@localhost\r\ncontact: <sip:7001@localhost>;expires=60\r\n\r\n`,
    );
    const got = await phone.next("REGISTER");
    expect(got.from.uri.user).toBe("7001");
    expect(got.from.uri.host).toBe("127.0.0.1");
    expect(got.contacts[0]?.uri.user).toBe("7001");
    expect(got.expires).toBe(60);
    expect(`127.0.0.1:${got.contacts[0]?.uri.port ?? ""}`).toBe(edge.advertised);
  });

  it.each([
    [
      "m|sip||unknown\r\nBYE sip:placeholder SIP/2.0\r\n\r\n",
      "Server error: unable to find dialog for dialog id provided",
    ],
    [
      "m|sip||unknown\r\nACK sip:placeholder SIP/2.0\r\n\r\n",
      "Server error: unable to find dialog for dialog id provided",
    ],
    ["m|sip|unknown|\r\nCANCEL sip:x@y SIP/2.0\r\n\r\n", "unable to cancel unknown transaction id: unknown"],
    ["m|sip|unknown|\r\nSIP/2.0 200 OK\r\n\r\n", "Response not sent due to unknown transaction"],
    ["m|sip||\r\nSIP/2.0 200 OK\r\n\r\n", "transaction id missing"],
    ["m|sip||\r\nMESSAGE sip:a@127.0.0.1:9 SIP/2.0\r\n\r\nhello", "missing content-type"],
    [
      "m|sip|||sip:x@nowhere.invalid\r\nOPTIONS sip:a@b SIP/2.0\r\n\r\n",
      "requested protocol/transport not available",
    ],
    [
      "m|proxy|unknown||||serial|||sip:a@b\r\nINVITE sip:a@b SIP/2.0\r\n\r\n",
      "Unknown transaction id: unknown",
    ],
  ])("%j is refused as drachtio-server refuses it", async (frame, reason) => {
    const client = await attach();
    client.frame(frame);
    expect(await client.reply("m")).toEqual(["NOK", reason]);
  });

  it("to ourselves is refused", async () => {
    const client = await attach();
    client.frame(`m|sip||\r\nOPTIONS sip:a@${edge.advertised} SIP/2.0\r\n\r\n`);
    expect(await client.reply("m")).toEqual(["NOK", "can not send request to myself"]);
  });

  it("that acknowledges a failure is told that the server has done so", async () => {
    const client = await attach();
    client.frame(`m|sip||\r\nINVITE sip:b@127.0.0.1:${phone.port} SIP/2.0\r\n\r\n${SDP}`);
    const got = await phone.next("INVITE");
    phone.send(edge.port, answerOf(phone, got, 486));
    const told = await client.sip("486");
    await phone.next("ACK");
    client.frame(`k|sip||${told.tokens[9] ?? ""}\r\nACK sip:placeholder SIP/2.0\r\n\r\n`);
    expect(await client.reply("k")).toEqual([
      "NOK",
      "Server error: ACK for non-success final response is automatically generated by server",
    ]);
  });

  it("is cancelled by its transaction, and the reply names a new one", async () => {
    const client = await attach();
    client.frame(`m|sip||\r\nINVITE sip:b@127.0.0.1:${phone.port} SIP/2.0\r\n\r\n${SDP}`);
    const txn = (await client.reply("m"))[7] ?? "";
    const got = await phone.next("INVITE");
    phone.send(edge.port, answerOf(phone, got, 180));
    await client.sip("180");
    client.frame(`c|sip|${txn}|\r\nCANCEL sip:b@x SIP/2.0\r\n\r\n`);
    const reply = await client.reply("c");
    expect(reply[0]).toBe("OK");
    expect(reply[7]).not.toBe(txn);
    phone.send(edge.port, answerOf(phone, await phone.next("CANCEL")));
    phone.send(edge.port, answerOf(phone, got, 487));
    expect((await client.sip("487")).tokens[8]).toBe(txn);
  });
});

describe("an application that misbehaves", () => {
  it("by sending more than is carried out is not read for a while, and loses nothing", async () => {
    const client = await attach();
    const count = 3_000;
    for (let i = 0; i < count; i++) client.frame(`f${i}|sip|unknown|\r\n${response(200)}`);
    await client.reply(`f${count - 1}`);
    client.frame("p|ping");
    expect(await client.reply("p")).toEqual(["OK", "pong"]);
  });

  it("by never reading is disconnected at 8 MiB, and others go on", { timeout: 20_000 }, async () => {
    const deaf = await attach(["message"]);
    deaf.socket.pause();
    const body = "x".repeat(60_000);
    const text = (i: number): string =>
      phone
        .request({ method: "MESSAGE", seq: 1, branch: `${phone.name}${i}`, body })
        .replace("@test", `${i}@test`);
    let sent = 0;
    await expect
      .poll(
        () => {
          for (let i = 0; i < 20; i++) phone.send(edge.port, text(sent++));
          return edge.wire.clients;
        },
        { timeout: 15_000, interval: 50 },
      )
      .toBe(0);
    const other = await attach();
    other.frame("p|ping");
    expect(await other.reply("p")).toEqual(["OK", "pong"]);
  });
});
