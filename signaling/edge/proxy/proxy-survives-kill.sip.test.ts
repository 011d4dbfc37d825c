import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { closeSrf, Srf } from "#signaling/edge/testing/drachtio-srf.ts";
import { answerOf, openUdpPhone, type UdpPhone } from "#signaling/edge/testing/udp-phone.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";

const PROGRAM = fileURLToPath(new URL("../testing/wire-edge-process.ts", import.meta.url));

interface EdgeProcess {
  readonly child: ChildProcess;
  readonly port: number;
  readonly drachtio: number;
}

let server: RedisServer;
let caller: UdpPhone;
let bob: UdpPhone;
const running: EdgeProcess[] = [];
const apps: Srf[] = [];

beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  await server.stop();
});
beforeEach(async () => {
  [caller, bob] = await Promise.all([openUdpPhone(), openUdpPhone()]);
});
afterEach(async () => {
  caller.close();
  bob.close();
  for (const srf of apps.splice(0)) closeSrf(srf);
  await Promise.all(running.splice(0).map(kill));
});

async function start(instance: string): Promise<EdgeProcess> {
  const child = spawn(process.execPath, [PROGRAM, server.url, `${instance}-${caller.name}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const [port = 0, drachtio = 0] = line.split(" ").map(Number);
  const edge = { child, port, drachtio };
  running.push(edge);
  return edge;
}

async function kill({ child }: EdgeProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "close");
  child.kill("SIGKILL");
  await gone;
}

/** An application that forwards every INVITE to bob and stays in the dialog. */
async function attach({ drachtio }: EdgeProcess): Promise<void> {
  const srf = new Srf();
  srf.on("error", () => undefined);
  srf.invite((req) => {
    srf.proxyRequest(req, `sip:bob@127.0.0.1:${bob.port}`, { remainInDialog: true }).catch(() => undefined);
  });
  const connected = new Promise((resolve) => {
    srf.on("connect", resolve);
  });
  srf.connect({ host: "127.0.0.1", port: drachtio, secret: "cymru", reconnect: { maxAttempts: 1 } });
  await connected;
  apps.push(srf);
}

/** Calls until the route of the application is known, and returns what reaches bob. */
async function invited(edge: EdgeProcess): Promise<SipMessage> {
  const reached = bob.next("INVITE");
  for (let attempt = 0; attempt < 20; attempt++) {
    caller.send(edge.port, caller.invite(`${caller.name}${attempt}`));
    const first = await caller.next(({ status }) => status === 100 || status >= 400);
    if (first.status === 100) break;
  }
  return reached;
}

function within(ok: SipMessage, method: string, seq: number): string {
  const routes = ok
    .headers("record-route")
    .toReversed()
    .map((route) => `Route: ${route}\r\n`);
  return caller
    .request({
      method,
      seq,
      branch: `${caller.name}${method}`,
      toTag: ok.to.tag ?? "",
      headers: routes.join(""),
    })
    .replace(/^\S+ \S+ /, `${method} ${ok.contacts[0]?.uriText ?? ""} `);
}

describe("an edge that is killed with -9 while an INVITE is proxied", () => {
  it("before the target was heard of: a survivor sends the INVITE again, and the call is set up and ended through it", async () => {
    const [one, two] = await Promise.all([start("one"), start("two")]);
    await attach(one);
    const first = await invited(one);
    await kill(one);
    const again = await bob.next("INVITE");
    expect(again.text).toBe(first.text);
    bob.send(two.port, answerOf(bob, again));
    const ok = await caller.next(200);
    caller.send(two.port, within(ok, "ACK", 1));
    await bob.next("ACK");
    caller.send(two.port, within(ok, "BYE", 2));
    bob.send(two.port, answerOf(bob, await bob.next("BYE")));
    expect((await caller.next(200)).cseq.method).toBe("BYE");
  });

  it("while the target rings: a survivor passes the answer back", async () => {
    const [one, two] = await Promise.all([start("one"), start("two")]);
    await attach(one);
    const invite = await invited(one);
    bob.send(one.port, answerOf(bob, invite, 180));
    await caller.next(180);
    await kill(one);
    bob.send(two.port, answerOf(bob, invite));
    expect((await caller.next(200)).to.tag).toBe("bob");
  });

  it("while the target rings: a survivor takes the CANCEL there and its 487 back", async () => {
    const [one, two] = await Promise.all([start("one"), start("two")]);
    await attach(one);
    const invite = await invited(one);
    bob.send(one.port, answerOf(bob, invite, 180));
    const ringing = await caller.next(180);
    await kill(one);
    caller.send(
      two.port,
      caller.request({ method: "CANCEL", seq: 1, branch: ringing.topVia.branch?.slice(7) ?? "" }),
    );
    expect((await caller.next(200)).cseq.method).toBe("CANCEL");
    bob.send(two.port, answerOf(bob, await bob.next("CANCEL")));
    bob.send(two.port, answerOf(bob, invite, 487));
    expect((await caller.next(487)).cseq.method).toBe("INVITE");
  });

  it("before a target's time was up: a survivor gives it up and answers", async () => {
    const [one] = await Promise.all([start("one"), start("two")]);
    const srf = new Srf();
    srf.on("error", () => undefined);
    srf.invite((req) => {
      srf
        .proxyRequest(req, `sip:bob@127.0.0.1:${bob.port}`, { finalTimeout: "1500ms" })
        .catch(() => undefined);
    });
    const connected = new Promise((resolve) => {
      srf.on("connect", resolve);
    });
    srf.connect({ host: "127.0.0.1", port: one.drachtio, secret: "cymru", reconnect: { maxAttempts: 1 } });
    await connected;
    apps.push(srf);
    const invite = await invited(one);
    bob.send(one.port, answerOf(bob, invite, 180));
    await caller.next(180);
    await kill(one);
    expect((await caller.next(408)).cseq.method).toBe("INVITE");
    await bob.next("CANCEL");
  });
});
