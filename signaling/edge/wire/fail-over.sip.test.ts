import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { startWireEdge } from "#signaling/edge/testing/drachtio-app.ts";
import { openFrameClient } from "#signaling/edge/testing/frame-client.ts";
import { answerOf } from "#signaling/edge/testing/udp-phone.ts";
import { useWireEdge } from "#signaling/edge/testing/use-wire-edge.ts";

const PROGRAM = fileURLToPath(new URL("../testing/drachtio-app-process.ts", import.meta.url));

interface App {
  readonly child: ChildProcess;
  readonly heard: string[];
}

const { redis, edge, phone, within } = useWireEdge();
const running: App[] = [];

afterEach(() => Promise.all(running.splice(0).map(kill)));

/** An application in a process of its own, attached. */
async function start(tag: string, mode: string, to = edge): Promise<App> {
  const child = spawn(process.execPath, [PROGRAM, String(to.drachtio), tag, mode], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const heard: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => heard.push(line));
  const app = { child, heard };
  running.push(app);
  await expect.poll(() => heard, { timeout: 5_000 }).toContain("ready");
  await expect.poll(() => to.wire.routes).toBeGreaterThan(4 * to.wire.clients);
  return app;
}

async function kill({ child }: App): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "close");
  child.kill("SIGKILL");
  await gone;
}

/** A call that `app` has answered; returns our tag. */
async function answered(app: App): Promise<string> {
  phone.send(edge.port, phone.invite());
  const tag = (await phone.next(200)).to.tag ?? "";
  phone.send(edge.port, within("ACK", tag, 1));
  expect(app.heard.some((line) => line.startsWith("invite"))).toBe(true);
  return tag;
}

describe("an application that is killed with -9", () => {
  it("leaves its calls to another one of its tags: INFO and BYE reach it, with the dialog's id", async () => {
    const first = await start("ivr", "answer");
    const tag = await answered(first);
    const second = await start("ivr", "answer");
    const stranger = await start("conference", "answer");
    await kill(first);
    phone.send(edge.port, within("INFO", tag, 2));
    expect((await phone.next(({ cseq }) => cseq.method === "INFO")).header("X-App")).toBe("ivr");
    phone.send(edge.port, within("BYE", tag, 3));
    expect((await phone.next(({ cseq }) => cseq.method === "BYE")).status).toBe(200);
    expect(second.heard).toContain(`info ${tag}`);
    expect(second.heard).toContain(`bye ${tag}`);
    expect(stranger.heard).toEqual(["ready"]);
  });

  it("leaves its ringing INVITE to another one, which hears the CANCEL", async () => {
    const first = await start("ivr", "ring");
    phone.send(edge.port, phone.invite());
    await phone.next(180);
    const second = await start("ivr", "ring");
    await kill(first);
    await expect.poll(() => second.heard.some((line) => line.startsWith("invite"))).toBe(true);
    phone.send(edge.port, phone.request({ method: "CANCEL", seq: 1, branch: `${phone.name}i` }));
    await phone.next(487);
    await expect.poll(() => second.heard).toContain("cancel");
  });

  it("leaves a MESSAGE that it took and did not answer to another one", async () => {
    const first = await start("ivr", "mute");
    phone.send(edge.port, phone.request({ method: "MESSAGE", seq: 1, branch: `${phone.name}m` }));
    await expect.poll(() => first.heard.some((line) => line.startsWith("message"))).toBe(true);
    await start("ivr", "answer");
    await kill(first);
    expect((await phone.next(200)).cseq.method).toBe("MESSAGE");
  });

  it("leaves the responses to its INVITE to another one, which may acknowledge and end the call", async () => {
    const first = await start("", `call:sip:bob@127.0.0.1:${phone.port}`);
    const invite = await phone.next("INVITE");
    phone.send(edge.port, answerOf(phone, invite, 180));
    const second = await openFrameClient(edge.drachtio);
    second.frame("a|authenticate|cymru|");
    await second.reply("a");
    second.frame("r|route|invite");
    await second.reply("r");
    await kill(first);
    phone.send(edge.port, answerOf(phone, invite));
    const ok = await second.sip("200");
    second.frame(`k|sip||${ok.tokens[9] ?? ""}\r\nACK sip:placeholder SIP/2.0\r\n\r\n`);
    await phone.next("ACK");
    second.frame(`b|sip||${ok.tokens[9] ?? ""}\r\nBYE sip:placeholder SIP/2.0\r\n\r\n`);
    phone.send(edge.port, answerOf(phone, await phone.next("BYE")));
    await second.sip("200");
    second.close();
  });

  it("with nobody to follow it, leaves a callee who answers to us: acknowledged, and hung up after two seconds", async () => {
    const only = await start("", `call:sip:bob@127.0.0.1:${phone.port}`);
    const invite = await phone.next("INVITE");
    phone.send(edge.port, answerOf(phone, invite, 180));
    await kill(only);
    await expect.poll(() => edge.wire.clients).toBe(0);
    phone.send(edge.port, answerOf(phone, invite));
    await phone.next("ACK");
    phone.send(edge.port, answerOf(phone, await phone.next("BYE")));
  });

  it("with nobody to follow it, leaves calls whose BYE is answered all the same", async () => {
    const only = await start("ivr", "answer");
    const tag = await answered(only);
    await kill(only);
    await expect.poll(() => edge.wire.clients).toBe(0);
    phone.send(edge.port, within("BYE", tag, 2));
    expect((await phone.next(200)).cseq.method).toBe("BYE");
  });

  it("leaves its calls to one that is attached to another instance", async () => {
    const two = await startWireEdge(redis.url, "two");
    const first = await start("ivr", "answer");
    const tag = await answered(first);
    const second = await start("ivr", "answer", two);
    await expect.poll(() => two.wire.routes).toBeGreaterThan(4);
    await kill(first);
    await expect.poll(() => edge.wire.clients).toBe(0);
    // The list of instances is a second old at most.
    await expect
      .poll(
        async () => {
          phone.send(
            edge.port,
            phone.request({ method: "OPTIONS", seq: 1, branch: `o${performance.now()}`.replace(".", "") }),
          );
          return (await phone.next(({ cseq }) => cseq.method === "OPTIONS")).status;
        },
        { timeout: 5_000 },
      )
      .toBe(200);
    phone.send(edge.port, within("INFO", tag, 2));
    expect((await phone.next(({ cseq }) => cseq.method === "INFO")).status).toBe(200);
    expect(second.heard).toContain(`info ${tag}`);
    await kill(second);
    await two.close();
  });

  it("attaches again with the same routes when it was the edge that went away", async () => {
    const two = await startWireEdge(redis.url, "two");
    const app = await start("ivr", "answer", two);
    const { drachtio } = two;
    await two.die();
    const three = await startWireEdge(redis.url, "three", { drachtio: { port: drachtio } });
    await expect.poll(() => three.wire.routes, { timeout: 5_000 }).toBe(5);
    phone.send(three.port, phone.invite());
    await phone.next(200);
    expect(app.heard.filter((line) => line === "ready")).toHaveLength(2);
    await kill(app);
    await three.close();
  });
});
