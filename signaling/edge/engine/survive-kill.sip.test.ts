import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { cdrKey } from "#state/call/call.keys.ts";
import { openUdpPhone, type UdpPhone } from "#signaling/edge/testing/udp-phone.ts";
import { freePort } from "#test/setup/free-ports.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";

const PROGRAM = fileURLToPath(new URL("../testing/edge-process.ts", import.meta.url));

interface EdgeProcess {
  readonly child: ChildProcess;
  readonly instance: string;
  readonly port: number;
  /** Names of the events that call control was told, in order. */
  readonly told: string[];
}

let server: RedisServer;
let redis: Redis;
let phone: UdpPhone;
const running: EdgeProcess[] = [];

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(async () => {
  phone = await openUdpPhone();
});
afterEach(async () => {
  phone.close();
  await Promise.all(running.splice(0).map(kill));
});

async function start(instance: string, kind: "answering" | "slow", port = 0): Promise<EdgeProcess> {
  const child = spawn(
    process.execPath,
    [PROGRAM, server.url, `${instance}-${phone.name}`, String(port), kind],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const told: string[] = [];
  const lines = createInterface({ input: child.stdout });
  const [first] = (await once(lines, "line")) as [string];
  lines.on("line", (line) => told.push(line));
  const edge = { child, instance, port: Number(first), told };
  running.push(edge);
  return edge;
}

async function kill({ child }: EdgeProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "close");
  child.kill("SIGKILL");
  await gone;
}

const ack = (toTag: string) => phone.request({ method: "ACK", seq: 1, branch: `${phone.name}a`, toTag });
const bye = (toTag: string) => phone.request({ method: "BYE", seq: 2, branch: `${phone.name}b`, toTag });

describe("an instance that is killed with -9", () => {
  it("leaves an answered call whose BYE a survivor answers, with one detail record", async () => {
    const [one, two] = await Promise.all([start("one", "answering"), start("two", "answering")]);
    phone.send(one.port, phone.invite());
    const toTag = (await phone.next(200)).to.tag ?? "";
    phone.send(one.port, ack(toTag));
    await expect.poll(() => one.told).toContain("ack");
    await kill(one);
    phone.send(two.port, bye(toTag));
    expect((await phone.next(200)).cseq.method).toBe("BYE");
    await expect(redis.xlen(cdrKey(toTag.slice(0, -2)))).resolves.toBe(1);
  });

  it("leaves a 200 without ACK, which a survivor sends again", async () => {
    const [one, two] = await Promise.all([start("one", "answering"), start("two", "answering")]);
    phone.send(one.port, phone.invite());
    const ok = await phone.next(200);
    await kill(one);
    phone.inbox.length = 0;
    const again = await phone.next(200, 6_000);
    expect(again.text).toBe(ok.text);
    phone.send(two.port, ack(ok.to.tag ?? ""));
    await expect.poll(() => two.told, { timeout: 3_000 }).toContain("ack");
    await expect.poll(() => two.told).toContain("recover");
  });

  it("leaves a ringing call, which a survivor answers when its timer falls due", async () => {
    const [one, two] = await Promise.all([start("one", "slow"), start("two", "slow")]);
    phone.send(one.port, phone.invite());
    const ringing = await phone.next(180);
    await kill(one);
    const ok = await phone.next(200, 6_000);
    expect(ok.to.tag).toBe(ringing.to.tag);
    await expect.poll(() => two.told).toContain("timer");
    phone.send(two.port, ack(ok.to.tag ?? ""));
    await expect.poll(() => two.told).toContain("ack");
  });

  it("leaves a ringing call, whose CANCEL a survivor answers", async () => {
    const [one, two] = await Promise.all([start("one", "slow"), start("two", "slow")]);
    phone.send(one.port, phone.invite());
    await phone.next(180);
    await kill(one);
    phone.send(two.port, phone.request({ method: "CANCEL", seq: 1, branch: `${phone.name}i` }));
    expect((await phone.next(200)).cseq.method).toBe("CANCEL");
    const terminated = await phone.next(487);
    phone.send(two.port, ack(terminated.to.tag ?? ""));
    await expect.poll(() => two.told).toContain("cancel");
  });

  it("leaves calls that a process started afterwards takes over", async () => {
    const one = await start("one", "slow");
    phone.send(one.port, phone.invite());
    await phone.next(180);
    await kill(one);
    const two = await start("two", "slow");
    const ok = await phone.next(200, 8_000);
    phone.send(two.port, ack(ok.to.tag ?? ""));
    await expect.poll(() => two.told).toContain("ack");
  });
});

describe("two processes on one port", () => {
  it("serve a caller together, and go on when one is killed", async () => {
    const port = await freePort();
    const edges = [await start("one", "answering", port), await start("two", "answering", port)];
    const phones = await Promise.all(Array.from({ length: 12 }, () => openUdpPhone()));
    const calls = await Promise.all(
      phones.map(async (each) => {
        each.send(port, each.invite());
        const toTag = (await each.next(200)).to.tag ?? "";
        each.send(port, each.request({ method: "ACK", seq: 1, branch: `${each.name}a`, toTag }));
        return { each, toTag };
      }),
    );
    await expect
      .poll(() => edges.flatMap(({ told }) => told).filter((type) => type === "ack"))
      .toHaveLength(12);
    const [one] = edges;
    if (one) await kill(one);
    await Promise.all(
      calls.map(async ({ each, toTag }) => {
        each.send(port, each.request({ method: "BYE", seq: 2, branch: `${each.name}b`, toTag }));
        expect((await each.next(200)).cseq.method).toBe("BYE");
        each.close();
      }),
    );
  });
});
