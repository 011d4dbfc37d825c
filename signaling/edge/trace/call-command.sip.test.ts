import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openUdpPhone, type UdpPhone } from "#signaling/edge/testing/udp-phone.ts";
import { startRedis, type RedisServer } from "#test/setup/start-redis.ts";

/** Two edges in processes of their own behind one Redis, and the command that looks at it from outside. */
const EDGE = fileURLToPath(new URL("../testing/edge-process.ts", import.meta.url));
const PROGRAM = fileURLToPath(new URL("../../../crossband.ts", import.meta.url));

let redis: RedisServer;
const edges: { child: ChildProcess; port: number }[] = [];
let phone: UdpPhone;

beforeAll(async () => {
  redis = await startRedis();
  for (const name of ["trace-one", "trace-two"]) {
    const child = spawn(process.execPath, [EDGE, redis.url, name, "0"], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, QUIET: "1" },
    });
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    edges.push({ child, port: Number(line.toString()) });
  }
});
afterAll(async () => {
  for (const { child } of edges) {
    child.kill("SIGTERM");
    await once(child, "exit");
  }
  await redis.stop();
});
beforeEach(async () => {
  phone = await openUdpPhone();
  return () => {
    phone.close();
  };
});

/** What the command prints, and the code that it ends with. */
function crossband(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, REDIS_URL: redis.url, LC_ALL: "C" };
    execFile(process.execPath, ["--disable-warning=ExperimentalWarning", PROGRAM, ...args], { env }, (error, out, err) => {
      resolve({ code: typeof error?.code === "number" ? error.code : 0, out, err });
    }); // prettier-ignore
  });
}

/** Repeats the command until it says what is awaited: traces are written a moment after their messages. */
async function until(args: readonly string[], said: RegExp): Promise<string> {
  for (let tries = 0; ; tries++) {
    const { out } = await crossband(...args);
    if (said.test(out) || tries === 10) return out;
  }
}

const port = (edge: 0 | 1): number => edges[edge]?.port ?? 0;

/** A call that one edge answers; the other takes its ACK. Returns its id. */
async function answeredCall(): Promise<string> {
  phone.send(
    port(0),
    phone.invite().replace("Max-Forwards: 70", "Max-Forwards: 70\r\nX-Auth-Token: s3cret-token"),
  );
  const ok = await phone.next(200);
  const tag = ok.to.tag ?? "";
  phone.send(port(1), phone.request({ method: "ACK", seq: 1, branch: `${phone.name}a`, toTag: tag }));
  return tag.replace(/\.0$/, "");
}

describe("crossband calls and call", () => {
  it("list a call while it is there, and not when it is over", async () => {
    const call = await answeredCall();
    const listed = await until(["calls", "--json"], new RegExp(call));
    const card = listed.split("\n").map((line) => (line === "" ? {} : (JSON.parse(line) as Record<string, unknown>))).find((row) => row["call"] === call); // prettier-ignore
    expect(card).toMatchObject({ from: "alice", to: "group", legs: 1 });
    expect((await crossband("calls")).out).toContain(call.slice(0, 10));
    phone.send(
      port(0),
      phone.request({ method: "BYE", seq: 2, branch: `${phone.name}b`, toTag: `${call}.0` }),
    );
    await phone.next((message) => message.status === 200 && message.cseq.method === "BYE");
    expect((await crossband("calls", "--json")).out).not.toContain(call);
    expect((await crossband("calls", "--json", "--all")).out).toContain(call);
  });

  it("draw what both instances did, found by the beginning of its id and by the Call-ID of the caller", async () => {
    const call = await answeredCall();
    for (const name of [call, `${call}.0`, call.slice(0, 10), `${phone.name}@test`]) {
      const out = await until(["call", name, "--ladder"], /ACK 1/);
      expect(out).toContain(`call       ${call}`);
      expect(out).toMatch(/1 trace-one\n\s+2 trace-two\n/);
      expect(out).toMatch(/1 .*\|-+ INVITE 1 sdp -+>\|/);
      expect(out).toMatch(/1 .*\|<-+ 200 OK INVITE 1 sdp -+\|/);
      expect(out).toMatch(/2 .*\|-+ ACK 1 -+>\|/);
      expect(Math.max(...out.split("\n").map(({ length }) => length))).toBeLessThanOrEqual(80);
    }
  });

  it("show messages without their secrets", async () => {
    const call = await answeredCall();
    const raw = await until(["call", call, "--raw"], /ACK sip/);
    expect(raw).toContain("X-Auth-Token: [redacted]");
    const { out } = await crossband("call", call, "--json");
    expect(out).not.toContain("s3cret-token");
    expect(JSON.parse(out)).toMatchObject({ calls: [call], traces: [{ call }] });
  });

  it("fold the INVITE that came again", async () => {
    phone.send(port(0), phone.invite());
    const ok = await phone.next(200);
    phone.send(port(0), phone.invite());
    await phone.next(200);
    const out = await until(["call", (ok.to.tag ?? "").replace(/\.0$/, ""), "--ladder"], /x2/);
    expect(out).toMatch(/INVITE 1 sdp x2/);
    expect(out).toMatch(/again \+0\.\d+/);
  });

  it("say so when there is no such call, or several", async () => {
    const unknown = await crossband("call", "nobody@nowhere", "--ladder");
    expect(unknown).toMatchObject({ code: 3, out: "" });
    expect(unknown.err).toContain("no call nobody@nowhere");
    await answeredCall();
    expect((await crossband("call", "0h0", "--ladder")).code).toBe(3);
    expect((await crossband("calls", "--limit", "x")).err).toContain("--limit takes whole numbers");
  });
});
