import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import {
  announceInstance,
  INSTANCE_RENEW_MS,
  withdrawInstance,
  type InstanceCard,
} from "#state/instance/instance.ts";
import { startTestApi, type TestApi } from "../testing/start-test-api.ts";

let api: TestApi;
const servers: { server: WebSocketServer; card: InstanceCard; renewal: NodeJS.Timeout }[] = [];

/** A signaling process's internal WebSocket listener that echoes. */
const startSignaling = async (load: number) => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols: () => "sip" });
  await once(server, "listening");
  const requests: IncomingMessage[] = [];
  server.on("connection", (socket, request) => {
    requests.push(request);
    socket.on("message", (data, isBinary) => {
      socket.send(data, { binary: isBinary });
    });
  });
  const { port } = server.address() as AddressInfo;
  const card = {
    role: "signaling",
    instance: `sig-${port}`,
    pid: 1,
    listeners: { ws: `127.0.0.1:${port}` },
    load,
    draining: false,
  } as const;
  await announceInstance(api.redis, card);
  // As a process does: a lease that nobody renews is over before a busy machine has had its turn.
  const renewal = setInterval(() => void announceInstance(api.redis, card), INSTANCE_RENEW_MS);
  servers.push({ server, card, renewal });
  return { server, card, requests };
};

const connectSip = async () => {
  const socket = new WebSocket(`${api.ws}/sip`, "sip", {
    headers: { "X-Forwarded-For": "203.0.113.9", Cookie: "a=b" },
  });
  await once(socket, "open");
  return socket;
};

beforeAll(async () => {
  api = await startTestApi(() => Promise.resolve({}));
});
afterAll(() => api.stop());
afterEach(async () => {
  for (const { server, card, renewal } of servers.splice(0)) {
    clearInterval(renewal);
    await withdrawInstance(api.redis, card);
    for (const client of server.clients) client.terminate();
    server.close();
  }
});

describe("/sip", () => {
  it("passes the WebSocket on to a signaling process with the client's own address", async () => {
    const { requests } = await startSignaling(0);
    const socket = await connectSip();
    socket.send("REGISTER sip:crossband.local SIP/2.0");
    const [echoed] = (await once(socket, "message")) as [Buffer];
    expect(echoed.toString()).toBe("REGISTER sip:crossband.local SIP/2.0");
    expect(requests[0]?.headers["x-forwarded-for"]).toBe("127.0.0.1");
    expect(requests[0]?.headers.cookie).toBeUndefined();
    expect(socket.protocol).toBe("sip");
    socket.terminate();
  });

  it("carries a message far larger than a socket's buffer", async () => {
    await startSignaling(0);
    const socket = await connectSip();
    const large = "x".repeat(8 * 1_024 * 1_024);
    socket.send(large);
    const [echoed] = (await once(socket, "message")) as [Buffer];
    expect(echoed.length).toBe(large.length);
    socket.terminate();
  });

  it("prefers the least loaded process", async () => {
    await startSignaling(0.9);
    const idle = await startSignaling(0);
    const socket = await connectSip();
    expect(idle.requests).toHaveLength(1);
    socket.terminate();
  });

  it("passes over a process that does not accept", async () => {
    const dead = await startSignaling(0);
    dead.server.close();
    await once(dead.server, "close");
    const alive = await startSignaling(0.9);
    const socket = await connectSip();
    expect(alive.requests).toHaveLength(1);
    socket.terminate();
  });

  it("closes the browser's socket when the signaling process dies, so that it connects again", async () => {
    const { server } = await startSignaling(0);
    const socket = await connectSip();
    const closed = once(socket, "close");
    for (const client of server.clients) client.terminate();
    await closed;
  });

  it("answers 503 while no signaling process is alive", async () => {
    const socket = new WebSocket(`${api.ws}/sip`, "sip");
    socket.on("error", () => undefined);
    const [, response] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage];
    expect(response.statusCode).toBe(503);
  });
});
