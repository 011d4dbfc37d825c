import { once } from "node:events";
import { connect as connectTcp, type AddressInfo } from "node:net";
import { request } from "node:https";
import type { IncomingMessage } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { KeyPair } from "#common/certificate/self-signed.ts";
import { clusterCertificateKey } from "#state/certificate/certificate.keys.ts";
import { announceInstance } from "#state/instance/instance.ts";
import { startTestApi, type TestApi } from "./testing/start-test-api.ts";

let api: TestApi;
let certificate = "";
const signaling = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols: () => "sip" });
let seen: IncomingMessage | undefined;

beforeAll(async () => {
  api = await startTestApi(() => Promise.resolve({}), 0, { CROSSBAND_HTTPS_PORT: "0" });
  ({ certificate } = JSON.parse((await api.redis.get(clusterCertificateKey)) ?? "{}") as KeyPair);
  signaling.on("connection", (socket, upgrade) => {
    seen = upgrade;
    socket.on("message", (data, isBinary) => {
      socket.send(data, { binary: isBinary });
    });
  });
  const { port } = signaling.address() as AddressInfo;
  await announceInstance(api.redis, {
    role: "signaling", instance: `sig-${api.unique}`, pid: 1, listeners: { ws: `127.0.0.1:${port}` }, load: -1, draining: false,
  }); // prettier-ignore
});
afterAll(async () => {
  for (const socket of signaling.clients) socket.terminate();
  signaling.close();
  await api.stop();
});

describe("the api over TLS", () => {
  it("answers as over HTTP, with the cluster's certificate", async () => {
    const asked = request(`https://${api.secure ?? ""}/healthz`, { ca: certificate }).end();
    const [response] = (await once(asked, "response")) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(200);
    expect(response.headers["content-security-policy"]).toContain("default-src 'none'");
  });

  it("carries SIP over WebSocket (wss://…/sip) and names the client", async () => {
    const socket = new WebSocket(`wss://${api.secure ?? ""}/sip`, "sip", { ca: certificate });
    await once(socket, "open");
    socket.send("REGISTER sip:crossband.local SIP/2.0");
    const [echoed] = (await once(socket, "message")) as [Buffer];
    expect(echoed.toString()).toBe("REGISTER sip:crossband.local SIP/2.0");
    expect(seen?.headers["x-forwarded-for"]).toBe("127.0.0.1");
    socket.terminate();
  });

  it("is not trusted by a client that does not know the certificate", async () => {
    const socket = new WebSocket(`wss://${api.secure ?? ""}/sip`, "sip");
    const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("DEPTH_ZERO_SELF_SIGNED_CERT");
  });

  it("drops who speaks no TLS, and goes on", async () => {
    const [host = "", port = ""] = (api.secure ?? "").split(":");
    const socket = connectTcp(Number(port), host);
    socket.write("GET /healthz HTTP/1.1\r\n\r\n");
    socket.resume();
    await once(socket, "close");
    const asked = request(`https://${api.secure ?? ""}/healthz`, { ca: certificate }).end();
    const [response] = (await once(asked, "response")) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(200);
  });
});
