import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { selfSigned, type KeyPair } from "#common/certificate/self-signed.ts";
import { startWireEdge, type WireEdge } from "#signaling/edge/testing/drachtio-app.ts";
import { closeSrf, Srf } from "#signaling/edge/testing/drachtio-srf.ts";
import { openUdpPhone } from "#signaling/edge/testing/udp-phone.ts";
import { freePort } from "#test/setup/free-ports.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";

let server: RedisServer;
let folder: string;
let pair: KeyPair;

beforeAll(async () => {
  server = await startRedis();
  folder = await mkdtemp(join(tmpdir(), "wire-tls-"));
  pair = await selfSigned("edge.test", [], Date.now());
  await Promise.all([
    writeFile(join(folder, "cert"), pair.certificate),
    writeFile(join(folder, "key"), pair.key),
  ]);
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** What a phone hears to an INVITE. */
async function call(edge: WireEdge): Promise<number> {
  const phone = await openUdpPhone();
  phone.send(edge.port, phone.invite());
  const { status } = await phone.next((message) => message.status >= 200);
  phone.close();
  return status;
}

it("an application attaches over TLS", async () => {
  const files = { tlsCert: join(folder, "cert"), tlsKey: join(folder, "key") };
  const edge = await startWireEdge(server.url, "one", { drachtio: { tlsPort: 0, ...files } });
  const srf = new Srf();
  srf.on("error", () => undefined);
  srf.invite((_req, res) => {
    res.send(486);
  });
  const port = Number(edge.wire.tls?.split(":").at(-1));
  srf.connect({
    host: "127.0.0.1",
    port,
    secret: "cymru",
    tls: { ca: pair.certificate, servername: "edge.test" },
  });
  await expect.poll(() => edge.wire.routes).toBe(1);
  expect(await call(edge)).toBe(486);
  closeSrf(srf);
  await edge.close();
});

it("an application that listens for TLS is connected to over it", async () => {
  const port = await freePort();
  const edge = await startWireEdge(server.url, "two", {
    drachtio: { requestHandler: `tls://127.0.0.1:${port}` },
  });
  const srf = new Srf();
  srf.invite((_req, res) => {
    res.send(486);
  });
  const listening = new Promise((resolve) => {
    srf.on("listening", resolve);
  });
  srf.listen({ host: "127.0.0.1", port, secret: "cymru", tls: { cert: pair.certificate, key: pair.key } });
  await listening;
  expect(await call(edge)).toBe(486);
  await edge.close();
});
