import { once } from "node:events";
import { connect } from "node:net";
import { expect, inject, it } from "vitest";
import { startRedis } from "./start-redis.ts";

async function ping(url: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, "connect");
  socket.write("PING\r\n");
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return answer.toString();
}

it("starts a server that answers on loopback, and stop ends it", async () => {
  const server = await startRedis();
  expect(await ping(server.url)).toBe("+PONG\r\n");
  await server.stop();
  await server.stop();
  await expect(ping(server.url)).rejects.toMatchObject({ code: "ECONNREFUSED" });
});

it("starts servers side by side", async () => {
  const servers = await Promise.all([startRedis(), startRedis()]);
  expect(new Set(servers.map(({ url }) => url)).size).toBe(2);
  await Promise.all(servers.map((server) => server.stop()));
});

it("says what the server said when a setting is wrong", async () => {
  await expect(startRedis({ maxmemory: "nonsense" })).rejects.toThrow(/redis-server/);
});

it("gives the project's tests one server, in the environment and by injection", async () => {
  expect(process.env["REDIS_URL"]).toBe(inject("redisUrl"));
  expect(await ping(inject("redisUrl"))).toBe("+PONG\r\n");
});
