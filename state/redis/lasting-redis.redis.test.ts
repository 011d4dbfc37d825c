import { once } from "node:events";
import { connect as dial, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, expect, inject, it } from "vitest";
import { silent } from "#common/log.ts";
import { connect } from "./connection.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0).toReversed()) close();
});

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

async function listening(onSocket: (socket: Socket) => void): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    closers.push(() => socket.destroy());
    onSocket(socket);
  }).listen(0, "127.0.0.1");
  closers.push(() => server.close());
  await once(server, "listening");
  return server;
}

/** A sentinel whose answers and news come when the test wants: all that a client asks of one. */
async function scriptedSentinel(master: number) {
  const asked: (() => void)[] = [];
  const subscribers: Socket[] = [];
  let waiting: (() => void) | undefined;
  const answer = `*2\r\n$9\r\n127.0.0.1\r\n$${String(master).length}\r\n${master}\r\n`;
  const server = await listening((socket) => {
    socket.on("data", (data) => {
      for (const command of data.toString().split(/(?=\*\d+\r\n\$)/)) {
        const words = command.split("\r\n").filter((_, i) => i > 0 && i % 2 === 0);
        const [name = "", sub = ""] = words.map((word) => word.toLowerCase());
        if (name === "sentinel" && sub === "get-master-addr-by-name") {
          asked.push(() => socket.write(answer));
          waiting?.();
        } else if (name === "sentinel") socket.write("*0\r\n");
        else if (name === "subscribe") {
          socket.write("*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n");
          subscribers.push(socket);
          waiting?.();
        } else if (name === "hello") socket.write("-NOPROTO unsupported protocol version\r\n");
        else if (name !== "") socket.write("+OK\r\n");
      }
    });
  });
  const until = async (met: () => boolean): Promise<void> => {
    while (!met()) await new Promise<void>((wake) => (waiting = wake));
  };
  return {
    port: portOf(server),
    /** Resolves with what answers the next question for the master. */
    question: async (): Promise<() => void> => {
      await until(() => asked.length > 0);
      return asked.shift() ?? (() => undefined);
    },
    subscribed: () => until(() => subscribers.length > 0),
    /** Resolves when everybody has heard: who leaves a master has no more use for the line. */
    async tellSwitch(): Promise<void> {
      const left = subscribers.map((socket) => once(socket, "close"));
      const text = `main 127.0.0.1 1 127.0.0.1 ${master}`;
      for (const socket of subscribers)
        socket.write(`*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$${text.length}\r\n${text}\r\n`);
      await Promise.all(left);
    },
  };
}

/** A way to Redis that can be cut, and that lets nothing through while it is shut. */
async function cuttableRedis(shut = false) {
  const { port } = new URL(inject("redisUrl"));
  const sockets = new Set<Socket>();
  const opened = Promise.withResolvers<undefined>();
  if (!shut) opened.resolve(undefined);
  const server = await listening((socket) => {
    sockets.add(socket);
    const behind = dial(Number(port), "127.0.0.1");
    behind.on("error", () => undefined);
    closers.push(() => behind.destroy());
    void opened.promise.then(() => socket.pipe(behind).pipe(socket));
  });
  return {
    port: portOf(server),
    open: () => { opened.resolve(undefined); }, // prettier-ignore
    cut: () => { for (const socket of sockets) socket.destroy(); }, // prettier-ignore
  };
}

it("goes on when the news of a failover comes while the sentinels are asked for the master", async () => {
  const master = await cuttableRedis();
  const sentinel = await scriptedSentinel(master.port);
  const redis = connect(`redis+sentinel://127.0.0.1:${sentinel.port}/main`, { log: silent });
  closers.push(() => { redis.disconnect(); }); // prettier-ignore
  (await sentinel.question())();
  await sentinel.subscribed();
  await redis.ping();

  master.cut();
  const answer = await sentinel.question();
  await sentinel.tellSwitch();
  answer();
  void sentinel.question().then((again) => { again(); }); // prettier-ignore
  await expect.poll(() => redis.ping().catch(String), { timeout: 5_000 }).toBe("PONG");
});

it("does not carry out a command whose time was over before there was a connection", async () => {
  const way = await cuttableRedis(true);
  const redis = connect(`redis://127.0.0.1:${way.port}`, { log: silent });
  closers.push(() => { redis.disconnect(); }); // prettier-ignore
  const key = `late-${way.port}`;
  await expect(redis.incr(key)).rejects.toThrow("timed out");
  way.open();
  await expect.poll(() => redis.ping().catch(String), { timeout: 5_000 }).toBe("PONG");
  expect(await redis.get(key)).toBeNull();
});

it("stays closed once it was closed", async () => {
  const way = await cuttableRedis();
  const redis = connect(`redis://127.0.0.1:${way.port}`, { log: silent });
  await redis.ping();
  redis.disconnect();
  await once(redis, "end");
  await expect(redis.ping()).rejects.toThrow("closed");
});
