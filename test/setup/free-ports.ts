import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";

/** A TCP port that was free a moment ago, on loopback. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** The first of `count` TCP ports in a row that were free a moment ago, on loopback. */
export async function freePortRow(count: number): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const from = 40_000 + Math.floor(Math.random() * 20_000);
    const row = Array.from({ length: count }, (_, i) => isFreeTcp(from + i));
    if ((await Promise.all(row)).every(Boolean)) return from;
  }
  throw new Error("no free row of TCP ports");
}

function isFreeTcp(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once("error", () => {
      done(false);
    });
    server.listen(port, "127.0.0.1", () => {
      server.close(() => {
        done(true);
      });
    });
  });
}

/**
 * A port that was free a moment ago for UDP and TCP both, on loopback. It is below those that the kernel gives to outgoing
 * connections, one of which would else take it in that moment.
 */
export async function freeSipPort(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = 10_000 + Math.floor(Math.random() * 9_000);
    if ((await isFree(port)) && (await isFreeTcp(port))) return port;
  }
  throw new Error("no free port for SIP");
}

/** The even first port of `length` UDP ports from `lowest` up, whose ends are free. */
export async function freeUdpRange(length: number, lowest = 20_000): Promise<number> {
  const highest = 60_000 - length;
  for (let attempt = 0; attempt < 50; attempt++) {
    const from = lowest + 2 * Math.floor((Math.random() * (highest - lowest)) / 2);
    if ((await isFree(from)) && (await isFree(from + length - 1))) return from;
  }
  throw new Error("no free range of UDP ports");
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = createSocket("udp4");
    socket.once("error", () => {
      done(false);
    });
    socket.bind(port, "127.0.0.1", () => {
      socket.close(() => {
        done(true);
      });
    });
  });
}
