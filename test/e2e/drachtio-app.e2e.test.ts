import { execFile, spawn, type ChildProcess } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { openUdpPhone, type UdpPhone } from "#signaling/edge/testing/udp-phone.ts";
import { freePort } from "#test/setup/free-ports.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const run = promisify(execFile);

let server: RedisServer;
let home: string;
let sipPort: number;
let drachtioPort: number;
let phone: UdpPhone;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  server = await startRedis();
  home = await mkdtemp(join(tmpdir(), "echo-"));
  [sipPort, drachtioPort] = await Promise.all([freePort(), freePort()]);
  start(process.execPath, [path("../../crossband.ts"), "edge"], {
    REDIS_URL: server.url,
    CROSSBAND_HOME: home,
    CROSSBAND_SIP_PORT: String(sipPort),
    CROSSBAND_SIPS_PORT: "0",
    CROSSBAND_DRACHTIO_PORT: String(drachtioPort),
  });
}, 30_000);
afterAll(async () => {
  for (const child of children) await stop(child);
  await server.stop();
  await rm(home, { recursive: true, force: true });
});
beforeEach(async () => {
  phone = await openUdpPhone();
});
afterEach(() => {
  phone.close();
});

function start(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): ChildProcess {
  const child = spawn(command, args, {
    cwd: home,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.add(child);
  return child;
}

async function stop(child: ChildProcess): Promise<void> {
  children.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

/** The application, attached; it waits for the edge by itself. */
async function startApp(): Promise<ChildProcess> {
  const child = start(process.execPath, [path("../../examples/drachtio-app/app.js")], {
    DRACHTIO_PORT: String(drachtioPort),
  });
  if (!child.stdout) throw new Error("application without output");
  for await (const line of createInterface({ input: child.stdout })) if (line.startsWith("attached")) break;
  child.stdout.resume();
  return child;
}

/** Asks until the route of the application is known. */
async function answersOptions(): Promise<void> {
  let seq = 0;
  await expect
    .poll(
      async () => {
        phone.send(sipPort, phone.request({ method: "OPTIONS", seq: ++seq, branch: `${phone.name}o${seq}` }));
        return (await phone.next(({ cseq }) => cseq.seq === seq, 1_000).catch(() => undefined))?.status;
      },
      { timeout: 10_000 },
    )
    .toBe(200);
}

const within = (method: string, toTag: string, seq: number) =>
  phone.request({ method, seq, branch: `${phone.name}${method}${seq}`, toTag });

it(
  "serves SIPp, echoes texts and audio, and survives the death of one of two echoes",
  { timeout: 60_000 },
  async () => {
    const first = await startApp();
    await answersOptions();

    // SIPp's own caller: INVITE, ACK, BYE.
    const sipp = [
      "-sn",
      "uac",
      "-m",
      "5",
      "-r",
      "5",
      "-d",
      "100",
      "-timeout",
      "20s",
      "-nostdin",
      `127.0.0.1:${sipPort}`,
    ];
    await run("sipp", sipp, { cwd: home });

    phone.send(
      sipPort,
      phone.request({ method: "MESSAGE", seq: 1, branch: `${phone.name}m`, body: "hello" }),
    );
    expect((await phone.next("MESSAGE")).body).toBe("hello");

    phone.send(sipPort, phone.invite());
    const ok = await phone.next(({ status, cseq }) => status === 200 && cseq.method === "INVITE");
    const tag = ok.to.tag ?? "";
    phone.send(sipPort, within("ACK", tag, 1));
    const rtp = createSocket("udp4");
    const heard = once(rtp, "message") as Promise<[Buffer]>;
    rtp.send(
      Buffer.from("8000000100000000deadbeefff", "hex"),
      Number(/m=audio (\d+)/.exec(ok.body)?.[1]),
      "127.0.0.1",
    );
    expect((await heard)[0].toString("hex")).toBe("8000000100000000deadbeefff");
    rtp.close();

    await startApp();
    await stop(first);
    phone.send(sipPort, within("BYE", tag, 2));
    expect((await phone.next(({ cseq }) => cseq.method === "BYE")).status).toBe(200);
  },
);
