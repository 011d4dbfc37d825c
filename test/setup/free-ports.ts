import { createSocket } from "node:dgram";
import { createServer } from "node:net";

/** Ports from `from` to before `to`. */
export interface PortSpan {
  readonly from: number;
  readonly to: number;
}

/** Below those that the kernel gives to outgoing connections, one of which would else take a port before its server does. */
const LOWEST = 10_000;
const HIGHEST = 32_000;
/** Test files that run side by side take their ports from different shares, those of one worker in turn. */
const SHARES = 4;
const SHARE_LENGTH = (HIGHEST - LOWEST) / SHARES;
const ATTEMPTS = 50;
/** Where somebody who needs more ports than a share has may look. */
export const WIDE: PortSpan = { from: 20_000, to: 60_000 };

const share = ownShare();
let next = randomPort(share, 1);

/** A TCP port of loopback that was free a moment ago, and that this worker has not given away lately. */
export const freePort = (): Promise<number> => freePortRow(1);

/** The first of `count` such ports in a row. */
export function freePortRow(count: number): Promise<number> {
  const all = Array.from({ length: count }, (_, i) => i);
  return firstFree(
    () => take(count),
    (first) => all.map((offset) => isFreeTcp(first + offset)),
  );
}

/** A port that was free a moment ago for UDP and TCP both. */
export function freeSipPort(): Promise<number> {
  return firstFree(
    () => take(1),
    (port) => [isFreeUdp(port), isFreeTcp(port)],
  );
}

/** The even first port of `length` UDP ports, whose ends are free. */
export function freeUdpRange(length: number, within = share): Promise<number> {
  const from = () => (within === share ? take(length + 1) : randomPort(within, length + 1));
  return firstFree(
    () => 2 * Math.ceil(from() / 2),
    (first) => [isFreeUdp(first), isFreeUdp(first + length - 1)],
  );
}

async function firstFree(
  candidate: () => number,
  tests: (first: number) => readonly Promise<boolean>[],
): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const first = candidate();
    if ((await Promise.all(tests(first))).every(Boolean)) return first;
  }
  throw new Error("no free ports");
}

/** The share of this vitest worker; outside vitest the first one. */
function ownShare(): PortSpan {
  const worker = Number(process.env["VITEST_POOL_ID"] ?? 1) - 1;
  const from = LOWEST + (worker % SHARES) * SHARE_LENGTH;
  return { from, to: from + SHARE_LENGTH };
}

/** The next `length` ports of the share, from its beginning again after its end. */
function take(length: number): number {
  if (next + length > share.to) next = share.from;
  next += length;
  return next - length;
}

/** Several runs of the tests on one machine begin at different places. */
function randomPort({ from, to }: PortSpan, length: number): number {
  return from + Math.floor(Math.random() * (to - from - length));
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

function isFreeUdp(port: number): Promise<boolean> {
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
