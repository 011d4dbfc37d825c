import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("../../../crossband.ts", import.meta.url));
const START_LIMIT_MS = 20_000;

/** One signaling process of its own, to be killed. */
export interface SignalingProcess {
  /** Instance names in records begin with it. */
  readonly name: string;
  readonly pid: number;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with its exit code. */
  leave(): Promise<number | null>;
}

/** Starts `crossband signaling` on a SIP port that several may share; resolves when it takes traffic. */
export async function startSignalingProcess(
  name: string,
  redisUrl: string,
  sipPort: number,
  environment: Readonly<Record<string, string>> = {},
): Promise<SignalingProcess> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", PROGRAM, "signaling"], {
    env: {
      ...process.env, REDIS_URL: redisUrl, CROSSBAND_INSTANCE: name, CROSSBAND_SIP_PORT: String(sipPort), CROSSBAND_SIPS_PORT: "0",
      CROSSBAND_DRACHTIO_PORT: "0", CROSSBAND_HOST: "127.0.0.1", CROSSBAND_LOG: "info",
      ...environment,
    },
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  }); // prettier-ignore
  let log = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    if (log.length < 20_000) log += chunk.toString();
  });
  const exited = once(child, "exit");
  await ready(child, () => log);
  return {
    name,
    pid: child.pid ?? 0,
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
    async leave() {
      child.kill("SIGTERM");
      await exited;
      return child.exitCode;
    },
  };
}

function ready(child: ChildProcess, log: () => string): Promise<void> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => {
      reject(new Error(`signaling was not ready in time\n${log()}`));
    }, START_LIMIT_MS);
    child.once("message", () => {
      clearTimeout(limit);
      resolve();
    });
    child.once("exit", (code) => {
      clearTimeout(limit);
      reject(new Error(`signaling ended with ${code ?? "a signal"}\n${log()}`));
    });
  });
}
