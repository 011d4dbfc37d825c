// node smoke-test.mjs BINARY: starts the worker as the media tier does and completes one real DTLS handshake with it.
// PlainTransport and DirectTransport never reach the code that a wrong libssl breaks, so nothing less will do.
import { execFileSync, spawn } from "node:child_process";
import { X509Certificate, createHmac, randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";

const LIMIT_MS = 20_000;
const binary = process.argv[2];

// A worker of another version hangs silently, so the limit stands around everything.
setTimeout(() => fail(`no answer within ${LIMIT_MS / 1000} s`), LIMIT_MS).unref();
process.on("uncaughtException", (error) => fail(error.message));

process.env.MEDIASOUP_WORKER_BIN = binary;
const mediasoup = await import("mediasoup");
const worker = await mediasoup.createWorker({ logLevel: "error" });
worker.on("died", () => fail("the worker died during the DTLS handshake"));
const router = await worker.createRouter({
  mediaCodecs: [{ kind: "audio", mimeType: "audio/opus", clockRate: 48_000, channels: 2 }],
});
if (hasOpenssl()) await handshake(router);
worker.close();
console.log(
  `mediasoup ${mediasoup.version} worker answers${hasOpenssl() ? " and completes a DTLS handshake" : ""}`,
);
process.exit(0);

async function handshake(router) {
  const transport = await router.createWebRtcTransport({
    listenInfos: [{ protocol: "udp", ip: "127.0.0.1" }],
  });
  const { port } = transport.iceCandidates[0];
  const dir = mkdtempSync(join(tmpdir(), "crossband-smoke-"));
  const [ice, relay] = await Promise.all([bind(), bind()]);
  let client;
  try {
    const [key, cert] = [join(dir, "key.pem"), join(dir, "cert.pem")];
    execFileSync(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=smoke",
        "-keyout",
        key,
        "-out",
        cert,
      ],
      { stdio: "ignore" },
    );
    const value = new X509Certificate(readFileSync(cert)).fingerprint256;
    await transport.connect({
      dtlsParameters: { role: "client", fingerprints: [{ algorithm: "sha-256", value }] },
    });

    ice.send(bindingRequest(transport.iceParameters), port, "127.0.0.1");
    const [answer] = await once(ice, "message");
    if (answer.readUInt16BE(0) !== 0x0101) fail("the STUN binding request was refused");

    let clientPort;
    relay.on("message", (message, from) => {
      clientPort = from.port;
      ice.send(message, port, "127.0.0.1");
    });
    ice.on("message", (message) => {
      // RFC 7983: a first byte of 20 to 63 is DTLS.
      if (message[0] >= 20 && message[0] <= 63) relay.send(message, clientPort, "127.0.0.1");
    });
    client = spawn(
      "openssl",
      [
        "s_client",
        "-dtls1_2",
        "-connect",
        `127.0.0.1:${relay.address().port}`,
        "-cert",
        cert,
        "-key",
        key,
        "-use_srtp",
        "SRTP_AES128_CM_SHA1_80",
      ],
      { stdio: ["pipe", "ignore", "ignore"] },
    );
    while (transport.dtlsState !== "connected") {
      const [state] = await once(transport, "dtlsstatechange");
      if (state === "failed" || state === "closed") fail(`the DTLS handshake ended as ${state}`);
    }
  } finally {
    client?.kill("SIGKILL");
    ice.close();
    relay.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function bind() {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}

/** The connectivity check of a controlling agent that nominates at once (RFC 8445 section 7.2.2, RFC 8489 section 14). */
function bindingRequest({ usernameFragment, password }) {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(0x0001, 0);
  header.writeUInt32BE(0x2112a442, 4);
  randomBytes(12).copy(header, 8);
  let message = Buffer.concat([
    header,
    attribute(0x0006, Buffer.from(`${usernameFragment}:smoke`)),
    attribute(0x0024, Buffer.from([0x6e, 0x7f, 0x1e, 0xff])), // PRIORITY
    attribute(0x802a, randomBytes(8)), // ICE-CONTROLLING
    attribute(0x0025, Buffer.alloc(0)), // USE-CANDIDATE
  ]);
  // Both of these cover a header whose length already counts them.
  message = setLength(message, 24);
  message = Buffer.concat([
    message,
    attribute(0x0008, createHmac("sha1", password).update(message).digest()),
  ]);
  message = setLength(message, 8);
  const fingerprint = Buffer.alloc(4);
  fingerprint.writeUInt32BE((crc32(message) ^ 0x5354554e) >>> 0);
  return Buffer.concat([message, attribute(0x8028, fingerprint)]);
}

function setLength(message, following) {
  message.writeUInt16BE(message.length - 20 + following, 2);
  return message;
}

function attribute(type, value) {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(value.length, 2);
  return Buffer.concat([head, value, Buffer.alloc((4 - (value.length % 4)) % 4)]);
}

function hasOpenssl() {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function fail(reason) {
  console.error(reason);
  process.exit(1);
}
