import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer, type TLSSocket } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { selfSigned, type KeyPair } from "#common/certificate/self-signed.ts";
import { configSchema } from "#common/config.ts";
import { silent } from "#common/log.ts";
import { openCertificates } from "#state/certificate/certificates.ts";
import { buildResponse } from "#signaling/edge/message/build.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { responseFlow } from "./response-route.ts";
import { createSockets } from "./sockets.ts";

/** A store of one value, as Redis is to the cluster's certificate. */
function memory() {
  const values = new Map<string, string>();
  return {
    get: (key: string) => Promise.resolve(values.get(key) ?? null),
    setnx(key: string, value: string) {
      if (values.has(key)) return Promise.resolve(0);
      values.set(key, value);
      return Promise.resolve(1);
    },
  };
}

const folder = mkdtempSync(join(tmpdir(), "crossband-tls-"));
const opened: { close(): unknown }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function files(name: string, pair: KeyPair) {
  const at = { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  writeFileSync(at.certificate, pair.certificate);
  writeFileSync(at.key, pair.key);
  return at;
}

async function start(sip: object = {}, redis = memory(), port = 0) {
  const config = configSchema.parse({ sip: { port: 0, tlsPort: port, domain: "crossband.test", ...sip } });
  const certificates = await openCertificates(redis, config.sip, ["127.0.0.1"], silent);
  const sockets = createSockets({
    config,
    instance: "one",
    log: silent,
    deliverElsewhere: () => Promise.reject(new Error("none")),
    certificates: () => Promise.resolve(certificates),
  });
  opened.push(sockets);
  const flows: Flow[] = [];
  sockets.onMessage((message, flow) => {
    flows.push(flow);
    if (message.kind === "request")
      void sockets.send(responseFlow(message, flow), buildResponse(message, { status: 200, toTag: "t" }));
  });
  const listeners = await sockets.listen();
  return { sockets, flows, certificates, port: Number(listeners.tls?.split(":")[1]) };
}

async function client(port: number, servername = "", ca?: string): Promise<TLSSocket> {
  const socket = connect({
    port,
    host: "127.0.0.1",
    ...(servername !== "" && { servername }),
    ...(ca === undefined ? { rejectUnauthorized: false } : { ca }),
  });
  opened.push({ close: () => socket.destroy() });
  await once(socket, "secureConnect");
  return socket;
}
const shownTo = async (port: number, servername?: string): Promise<string> =>
  (await client(port, servername)).getPeerCertificate().subject.CN as string;

const options = (via: string) =>
  `OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: ${via};branch=z9hG4bK1\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n`;

describe("TLS (RFC 3261 §26.2)", () => {
  it("answers over the connection of a client that checks the cluster's certificate", async () => {
    const { port, flows, certificates } = await start();
    const socket = await client(port, "crossband.test", certificates.own.certificate);
    socket.write(options("SIP/2.0/TLS 127.0.0.1:9"));
    expect(String((await once(socket, "data"))[0])).toMatch(/^SIP\/2.0 200/);
    expect(flows[0]).toMatchObject({ transport: "tls", host: "127.0.0.1", instance: "one" });
  });

  it("shows the same certificate in every process of the cluster", async () => {
    const redis = memory();
    const [one, two] = [await start({}, redis), await start({}, redis)];
    expect(one.certificates.own).toEqual(two.certificates.own);
  });

  it("shares its port between processes", async () => {
    const one = await start();
    expect((await start({}, memory(), one.port)).port).toBe(one.port);
  });

  it("refuses versions before 1.2", async () => {
    const { port, sockets } = await start();
    const socket = connect({
      port,
      host: "127.0.0.1",
      maxVersion: "TLSv1.1",
      minVersion: "TLSv1",
      ciphers: "ALL:@SECLEVEL=0",
    });
    await once(socket, "error");
    expect(sockets.counters["handshake-failed"]).toBe(1);
  });

  it("lets a client go that does not finish its handshake", async () => {
    const { port, sockets } = await start();
    const socket = connectTcp(port, "127.0.0.1");
    socket.write("\x16\x03\x01");
    await once(socket, "close");
    expect(sockets.counters["handshake-failed"]).toBe(1);
    expect(sockets.connectionCount).toBe(0);
  }, 10_000);

  it("counts rubbish in place of a handshake and goes on", async () => {
    const { port, sockets } = await start();
    const socket = connectTcp(port, "127.0.0.1");
    socket.write("OPTIONS sip:a SIP/2.0\r\n\r\n");
    socket.resume();
    await once(socket, "close");
    expect(sockets.counters["handshake-failed"]).toBe(1);
    expect(await shownTo(port)).toBe("crossband.test");
  });
});

describe("configured certificates", () => {
  it("are chosen by the name that a client asks for (RFC 6066 §3), the first for any other", async () => {
    const now = Date.now();
    const tls = {
      ...files("first", await selfSigned("first.test", [], now)),
      others: [files("second", await selfSigned("second.test", ["alias.test"], now))],
    };
    const { port } = await start({ tls });
    expect(await shownTo(port)).toBe("first.test");
    expect(await shownTo(port, "alias.test")).toBe("second.test");
    expect(await shownTo(port, "unknown.test")).toBe("first.test");
  });

  it("are read again on SIGHUP; a key that does not fit leaves the old ones in place", async () => {
    const now = Date.now();
    const tls = files("renewed", await selfSigned("old.test", [], now));
    const { port } = await start({ tls });
    const renewal = await selfSigned("new.test", [], now);
    writeFileSync(tls.certificate, renewal.certificate);
    process.emit("SIGHUP");
    expect(await shownTo(port)).toBe("old.test");
    writeFileSync(tls.key, renewal.key);
    process.emit("SIGHUP");
    expect(await shownTo(port)).toBe("new.test");
    expect(await shownTo(port, "new.test")).toBe("new.test");
  });

  it("stop the start when they cannot be used", async () => {
    const tls = files("broken", { certificate: "none", key: "none" });
    await expect(start({ tls })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });
});

describe("a connection that we open (RFC 5922)", async () => {
  const pair = await selfSigned("carrier.test", [], Date.now());
  let carrierPort = 0;
  const messages: string[] = [];
  const carrier = createServer({ cert: pair.certificate, key: pair.key }, (socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (data) => messages.push(data.toString()));
  });
  beforeAll(async () => {
    carrier.listen(0, "127.0.0.1");
    await once(carrier, "listening");
    carrierPort = (carrier.address() as { port: number }).port;
  });
  afterAll(() => {
    carrier.close();
  });
  const to = (name: string): Flow => ({ transport: "tls", host: "127.0.0.1", port: carrierPort, name });
  const authorities = files("carrier", pair).certificate;

  it("is used when the peer proves the name, and again for the next request", async () => {
    const { sockets } = await start({ tls: { authorities } });
    await sockets.send(to("carrier.test"), options("SIP/2.0/TLS h"));
    await sockets.send(to("carrier.test"), options("SIP/2.0/TLS h"));
    await expect.poll(() => messages.join("")).toMatch(/OPTIONS[^]*OPTIONS/);
    expect(sockets.connectionCount).toBe(1);
  });

  it("is given up when the certificate names somebody else", async () => {
    const { sockets } = await start({ tls: { authorities } });
    await expect(sockets.send(to("other.test"), options("SIP/2.0/TLS h"))).rejects.toMatchObject({
      code: "FLOW_GONE",
    });
  });

  it("is given up when nobody known has signed it, unless peers are not checked", async () => {
    const strict = await start();
    await expect(strict.sockets.send(to("carrier.test"), "x")).rejects.toMatchObject({ code: "FLOW_GONE" });
    const lax = await start({ tls: { checkPeers: "never" } });
    await lax.sockets.send(to("anything.test"), options("SIP/2.0/TLS h"));
  });
});
