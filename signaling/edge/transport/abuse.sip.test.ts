import { once } from "node:events";
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { configSchema } from "#common/config.ts";
import { silent } from "#common/log.ts";
import { buildResponse } from "#signaling/edge/message/build.ts";
import { responseFlow } from "./response-route.ts";
import { createSockets } from "./sockets.ts";
import type { Ban } from "./source-guard.ts";

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});

const options = (extra = "") =>
  `OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK1;rport\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n${extra}Content-Length: 0\r\n\r\n`;

async function start(limits: object = {}) {
  const sockets = createSockets({
    config: configSchema.parse({ sip: { port: 0, limits } }),
    instance: "one",
    log: silent,
    deliverElsewhere: () => Promise.reject(new Error("none")),
  });
  opened.push(sockets);
  const bans: Ban[] = [];
  sockets.onBan((ban) => bans.push(ban));
  sockets.onMessage((message, flow) => {
    sockets
      .send(responseFlow(message, flow), buildResponse(message, { status: 200, toTag: "t" }))
      .catch(() => undefined);
  });
  const { udp } = await sockets.listen();
  return { sockets, bans, port: Number(udp.split(":")[1]) };
}

async function udpPeer(port: number) {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  opened.push(socket);
  return {
    port: socket.address().port,
    send: (text: string) => { socket.send(Buffer.from(text, "latin1"), port, "127.0.0.1"); },
    answer: async () => String((await once(socket, "message"))[0]),
  }; // prettier-ignore
}

async function tcpPeer(port: number) {
  const socket = connect(port, "127.0.0.1");
  opened.push({ close: () => socket.destroy() });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

describe("a scanner", () => {
  it("gets no answer and is banned, from its first message on", async () => {
    const { port, sockets, bans } = await start();
    const socket = await tcpPeer(port);
    socket.write(options("User-Agent: friendly-scanner\r\n").repeat(2));
    await expect.poll(() => sockets.counters.banned).toBe(1);
    expect(sockets.counters).toMatchObject({ scanner: 1, sent: 0 });
    expect(bans).toMatchObject([{ host: "127.0.0.1", offence: "scanner", proven: true }]);
    const again = connect(port, "127.0.0.1");
    await once(again, "close");
    expect(sockets.counters["connection-refused"]).toBe(1);
  });

  it("that forges the address of a registered phone does the phone no harm", async () => {
    const { port, sockets } = await start();
    const phone = await udpPeer(port);
    sockets.guard.proved({ transport: "udp", host: "127.0.0.1", port: phone.port });
    const scanner = await udpPeer(port);
    for (let i = 0; i < 20; i++) scanner.send(options("User-Agent: friendly-scanner\r\n"));
    await expect.poll(() => sockets.counters.banned).toBeGreaterThan(5);
    phone.send(options());
    expect(await phone.answer()).toMatch(/^SIP\/2.0 200/);
  });

  it("at an address that is never banned is only left without an answer", async () => {
    const { port, sockets } = await start({ neverBanned: ["127.0.0.1"] });
    const peer = await udpPeer(port);
    peer.send(options("User-Agent: sipvicious\r\n"));
    peer.send(options());
    expect(await peer.answer()).toMatch(/^SIP\/2.0 200/);
    expect(sockets.guard.bans).toEqual([]);
  });
});

describe("a peer of a trunk", () => {
  it("whose customers bring a scanner's name is answered and counted, and may open more connections than others", async () => {
    const { port, sockets } = await start({ connectionsPerSource: 1 });
    const offences: string[] = [];
    sockets.guard.trust(({ host }) =>
      host === "127.0.0.1"
        ? { messagesPerSecond: 100, offended: (what) => offences.push(what), limited: () => undefined }
        : undefined,
    );
    const peer = await udpPeer(port);
    peer.send(options("User-Agent: friendly-scanner\r\n"));
    expect(await peer.answer()).toMatch(/^SIP\/2.0 200/);
    expect([offences, sockets.guard.bans]).toEqual([["scanner"], []]);
    await tcpPeer(port);
    await tcpPeer(port);
    await expect.poll(() => sockets.connectionCount).toBe(2);
  });
});

describe("limits of connections", () => {
  it("refuse one more from the same address", async () => {
    const { port, sockets } = await start({ connectionsPerSource: 2 });
    await tcpPeer(port);
    await tcpPeer(port);
    await expect.poll(() => sockets.connectionCount).toBe(2);
    await once(connect(port, "127.0.0.1"), "close");
    expect(sockets.counters["connection-refused"]).toBe(1);
  });

  it("make room when one closes", async () => {
    const { port, sockets } = await start({ connectionsPerSource: 1 });
    (await tcpPeer(port)).destroy();
    await expect.poll(() => sockets.connectionCount).toBe(0);
    const socket = await tcpPeer(port);
    socket.write("\r\n\r\n");
    expect(String((await once(socket, "data"))[0])).toBe("\r\n");
  });

  it("let a peer go that does not read what it is sent", async () => {
    const { port, sockets } = await start();
    const socket = await tcpPeer(port);
    socket.pause();
    const closed = once(socket, "close");
    const request = options().repeat(200);
    const push = (): void => {
      if (!socket.destroyed && sockets.counters["slow-peer"] === 0)
        socket.write(request, () => setImmediate(push));
    };
    push();
    await expect.poll(() => sockets.counters["slow-peer"], { timeout: 10_000 }).toBe(1);
    socket.destroy();
    await closed;
    await expect.poll(() => sockets.connectionCount).toBe(0);
  });
});
