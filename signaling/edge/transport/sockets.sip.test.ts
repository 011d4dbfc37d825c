import { once } from "node:events";
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { configSchema } from "#common/config.ts";
import { silent } from "#common/log.ts";
import { buildResponse } from "#signaling/edge/message/build.ts";
import { parseUri } from "#signaling/edge/message/uri.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { deliverToFlow } from "./flow-delivery.ts";
import { responseFlow } from "./response-route.ts";
import { createSockets, type Sockets } from "./sockets.ts";

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});

const options = (extra = "", via = "SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK1;rport") =>
  `OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: ${via}\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n${extra}Content-Length: 0\r\n\r\n`;

async function start(instance = "one", peers = new Map<string, Sockets>()) {
  const config = configSchema.parse({ sip: { port: 0 } });
  const sockets = createSockets({
    config,
    instance,
    log: silent,
    deliverElsewhere: async (to, connection, bytes) => {
      const peer = peers.get(to);
      if (!peer) throw new Error("no such instance");
      await deliverToFlow(peer, { method: "POST", path: `/flows/${connection}`, body: { bytes } });
    },
  });
  opened.push(sockets);
  peers.set(instance, sockets);
  const listeners = await sockets.listen();
  const flows: Flow[] = [];
  sockets.onMessage((message, flow) => {
    flows.push(flow);
    void sockets.send(responseFlow(message, flow), buildResponse(message, { status: 200, toTag: "t" }));
  });
  return { sockets, flows, peers, listeners, port: Number(listeners.udp.split(":")[1]) };
}

async function udpPeer() {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  opened.push(socket);
  const replies: string[] = [];
  const waiting: ((text: string) => void)[] = [];
  socket.on("message", (packet) => {
    const text = packet.toString("latin1");
    const next = waiting.shift();
    if (next) next(text);
    else replies.push(text);
  });
  return {
    socket,
    send: (text: string | Buffer, port: number) => {
      socket.send(Buffer.isBuffer(text) ? text : Buffer.from(text, "latin1"), port, "127.0.0.1");
    },
    reply: () =>
      new Promise<string>((resolve) => {
        const ready = replies.shift();
        if (ready !== undefined) resolve(ready);
        else waiting.push(resolve);
      }),
  };
}

describe("UDP", () => {
  it("answers to the source port of a request with rport, and fills it in (RFC 3581)", async () => {
    const { port } = await start();
    const peer = await udpPeer();
    peer.send(options(), port);
    expect(await peer.reply()).toContain(`received=127.0.0.1;rport=${peer.socket.address().port}`);
  });

  it("answers what is malformed and goes on", async () => {
    const { port, sockets } = await start();
    const peer = await udpPeer();
    peer.send("\0\0\0\0", port);
    peer.send("garbage", port);
    peer.send(options("Content-Length: 1\r\n"), port);
    expect(await peer.reply()).toMatch(/^SIP\/2.0 400 Repeated Content-Length/);
    peer.send(options(), port);
    expect(await peer.reply()).toMatch(/^SIP\/2.0 200/);
    expect(sockets.counters).toMatchObject({ malformed: 2, keepalive: 1, received: 3 });
  });

  it("answers a STUN Binding request with the sender's address", async () => {
    const { port } = await start();
    const peer = await udpPeer();
    peer.send(Buffer.from("000100002112a442000102030405060708090a0b", "hex"), port);
    const answer = Buffer.from(await peer.reply(), "latin1");
    expect(answer.readUInt16BE(26) ^ 0x2112).toBe(peer.socket.address().port);
    expect(answer.subarray(28).toString("hex")).toBe("5e12a443");
  });

  it("survives a handler that throws", async () => {
    const { port, sockets } = await start();
    const peer = await udpPeer();
    sockets.onMessage(() => {
      throw new Error("bug");
    });
    peer.send(options(), port);
    sockets.onMessage((message, flow) => {
      if (message.callId === "c") throw new Error("bug");
      void sockets.send(responseFlow(message, flow), buildResponse(message, { status: 200 }));
    });
    peer.send(options(), port);
    peer.send(options().replace("Call-ID: c", "Call-ID: d"), port);
    expect(await peer.reply()).toMatch(/^SIP\/2.0 200/);
    expect(sockets.counters["handler-failed"]).toBe(2);
  });
});

describe("TCP", () => {
  it("answers over the same connection, and a ping with a pong (RFC 5626 §3.5.1)", async () => {
    const { port } = await start();
    const socket = connect(port, "127.0.0.1");
    opened.push({ close: () => socket.destroy() });
    socket.write("\r\n\r\n");
    expect(String((await once(socket, "data"))[0])).toBe("\r\n");
    socket.write(options("", "SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK1"));
    expect(String((await once(socket, "data"))[0])).toMatch(/^SIP\/2.0 200/);
  });

  it("answers 400 and closes when a length is missing", async () => {
    const { port } = await start();
    const socket = connect(port, "127.0.0.1");
    socket.write(options().replace("Content-Length: 0\r\n", ""));
    expect(String((await once(socket, "data"))[0])).toMatch(/^SIP\/2.0 400 Missing or Bad Content-Length/);
    await once(socket, "close");
  });

  it("connects to a peer once and reuses the connection", async () => {
    const here = await start();
    const there = await start();
    const [target] = await here.sockets.resolve(
      parseUri(`sip:127.0.0.1:${there.port};transport=tcp`) ?? fail(),
    );
    const text = options("", "SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK1");
    const answers = new Promise<void>((resolve) => {
      let count = 0;
      here.sockets.onMessage(() => {
        if (++count === 2) resolve();
      });
    });
    await Promise.all([here.sockets.send(target ?? fail(), text), here.sockets.send(target ?? fail(), text)]);
    await answers;
    expect(there.sockets.connectionCount).toBe(1);
  });

  it("says FLOW_GONE when nobody listens there", async () => {
    const { sockets } = await start();
    await expect(
      sockets.send({ transport: "tcp", host: "127.0.0.1", port: 1 }, options()),
    ).rejects.toMatchObject({
      code: "FLOW_GONE",
    });
  });

  it("writes to a socket of another instance through that instance", async () => {
    const peers = new Map<string, Sockets>();
    const one = await start("one", peers);
    const two = await start("two", peers);
    const socket = connect(one.port, "127.0.0.1");
    opened.push({ close: () => socket.destroy() });
    socket.write(options("", "SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK1"));
    await once(socket, "data");
    const [flow] = one.flows;
    await two.sockets.send(flow ?? fail(), "\r\n");
    expect(String((await once(socket, "data"))[0])).toBe("\r\n");
    const closed = new Promise<Flow>((resolve) => {
      one.sockets.onFlowClosed(resolve);
    });
    socket.destroy();
    expect(await closed).toEqual(flow);
    await expect(two.sockets.send(flow ?? fail(), "\r\n")).rejects.toMatchObject({ code: "FLOW_GONE" });
  });
});

describe("WebSocket", () => {
  it("speaks sub-protocol sip in text frames", async () => {
    const { listeners, flows } = await start();
    const socket = new WebSocket(`ws://${listeners.ws}/sip`, "sip", {
      headers: { "x-forwarded-for": "192.0.2.7" },
    });
    opened.push(socket);
    await once(socket, "open");
    socket.send(options("", "SIP/2.0/WS x.invalid;branch=z9hG4bK1"));
    const [data, binary] = (await once(socket, "message")) as [Buffer, boolean];
    expect(data.toString()).toContain(
      "SIP/2.0 200 OK\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK1;received=192.0.2.7",
    );
    expect(binary).toBe(false);
    expect(flows[0]).toMatchObject({ transport: "ws", host: "192.0.2.7", instance: "one" });
  });

  it("turns away a client that does not speak it", async () => {
    const { listeners } = await start();
    const socket = new WebSocket(`ws://${listeners.ws}/sip`);
    const [code] = (await once(socket, "close")) as [number];
    expect(code).toBe(1002);
  });
});

describe("shared port", () => {
  it("lets a second process listen beside the first", async () => {
    const one = await start();
    const two = createSockets({
      config: configSchema.parse({ sip: { port: one.port } }),
      instance: "two",
      log: silent,
      deliverElsewhere: () => Promise.reject(new Error("none")),
    });
    opened.push(two);
    expect((await two.listen()).udp).toBe(one.listeners.udp);
  });
});

function fail(): never {
  throw new Error("missing");
}
