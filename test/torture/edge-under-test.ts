import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { startRedis } from "#test/setup/start-redis.ts";

const PROGRAM = fileURLToPath(new URL("../../signaling/edge/testing/edge-process.ts", import.meta.url));
const ANSWER_LIMIT_MS = 10_000;

export interface Look {
  readonly heap: number;
  readonly events: Readonly<Record<string, number>>;
}

/** A SIP server in a process of its own, whose memory can be asked for. */
export interface EdgeUnderTest {
  /** UDP and TCP. */
  readonly port: number;
  /** What it wrote to standard error: nothing, or why it died. */
  readonly complaints: () => string;
  /** Set once it has ended. */
  readonly ended: () => string | undefined;
  /** Bytes of the heap in use after two collections, and what the sockets have seen so far. */
  look(): Promise<Look>;
  stop(): Promise<void>;
}

export async function startEdgeUnderTest(): Promise<EdgeUnderTest> {
  const redis = await startRedis();
  const child = spawn(process.execPath, ["--expose-gc", "--disable-warning=ExperimentalWarning", PROGRAM, redis.url, "torture", "0"], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env: { ...process.env, QUIET: "1" },
  }); // prettier-ignore
  let complaints = "";
  let ended: string | undefined;
  child.stderr?.on("data", (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(0, 10_000);
  });
  child.once("exit", (code, signal) => {
    ended = `code ${code ?? "none"}, signal ${signal ?? "none"}`;
  });
  if (!child.stdout) throw new Error("no standard output");
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  child.stdout.resume();
  return {
    port: Number(line.toString()),
    complaints: () => complaints,
    ended: () => ended,
    async look() {
      const answer = once(child, "message", { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
      child.send("heap");
      const [look] = (await answer) as [Look];
      return look;
    },
    async stop() {
      if (ended === undefined) {
        const gone = once(child, "exit");
        child.kill("SIGKILL");
        await gone;
      }
      await redis.stop();
    },
  };
}
