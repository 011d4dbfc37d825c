import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort, freePortRow, freeUdpRange } from "#test/setup/free-ports.ts";

/** The parts of ready.json that tests use; written out here so that a change of the contract fails them. */
export interface Ready {
  region: string;
  domain: string;
  sip: { udp: string; tcp: string; tls: string | null; ws: string };
  http: string;
  redis: string;
  rtp: [number, number];
  drachtio: string[];
  users: { id: string; password: string }[];
  talkGroups: string[];
  radioChannels: { id: string; protocol: string; listen: string; remote: string }[];
  processes: { role: string; instance: string; pid: number }[];
}

export interface RunningCrossband {
  readonly home: string;
  readonly ready: Ready;
  /** ready.json as it is now. */
  reread(): Ready;
  /** Resolves with ready.json once `test` holds for it. */
  until(test: (ready: Ready) => boolean, limitMs?: number): Promise<Ready>;
  /** Everything that the processes wrote so far. */
  output(): string;
  pid: number;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
  /** Ends everything at once: no process is left the time to hand over its work, which nobody waits for any more. */
  end(): Promise<void>;
}

const PROGRAM = fileURLToPath(new URL("../../../crossband.ts", import.meta.url));
const ready = (home: string): Ready => JSON.parse(readFileSync(join(home, "ready.json"), "utf8")) as Ready;

/**
 * Starts `crossband up` on free loopback ports with an empty home.
 *
 * @param options.provision text of a provisioning file; without it the demo runs
 */
export async function startCrossband(
  options: { provision?: string; env?: Record<string, string>; limitMs?: number } = {},
): Promise<RunningCrossband> {
  const home = mkdtempSync(join(tmpdir(), "crossband-test-"));
  const [sip, sips, http, drachtio, rtp] = [
    await freePort(),
    await freePort(),
    await freePort(),
    // Each signaling process takes one more.
    await freePortRow(4),
    await freeUdpRange(400),
  ];
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    CROSSBAND_HOME: home,
    CROSSBAND_SIP_PORT: String(sip),
    CROSSBAND_SIPS_PORT: String(sips),
    CROSSBAND_HTTP_PORT: String(http),
    CROSSBAND_DRACHTIO_PORT: String(drachtio),
    CROSSBAND_RTP_PORTS: `${rtp}-${rtp + 399}`,
    CROSSBAND_LOG: process.env["CROSSBAND_LOG"] ?? "info",
    ...options.env,
  };
  delete env["REDIS_URL"];
  if (options.provision !== undefined) {
    env["CROSSBAND_PROVISION"] = join(home, "provision.yaml");
    writeFileSync(env["CROSSBAND_PROVISION"], options.provision);
  }
  const child = spawn(process.execPath, [PROGRAM, "up"], { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const keep = (chunk: Buffer) => (output = (output + chunk.toString()).slice(-400_000));
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  // A test that fails before it stops us must not leave a whole system running.
  const killOnExit = () => child.kill("SIGTERM");
  process.once("exit", killOnExit);
  child.once("exit", () => process.off("exit", killOnExit));
  const exited = new Promise<number | null>((done) =>
    child.once("exit", (code) => {
      done(code);
    }),
  );
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    const code = await exited;
    rmSync(home, { recursive: true, force: true });
    return code;
  };
  const end = async () => {
    const stopped = stop();
    for (const { pid } of existsSync(join(home, "ready.json")) ? ready(home).processes : []) killHard(pid);
    await stopped;
  };
  const until = async (test: (ready: Ready) => boolean, limitMs = 30_000): Promise<Ready> => {
    const deadline = Date.now() + limitMs;
    for (;;) {
      if (existsSync(join(home, "ready.json"))) {
        const now = ready(home);
        if (test(now)) return now;
      }
      if (child.exitCode !== null || Date.now() > deadline) {
        const tail = output.slice(-6_000);
        if (child.exitCode === null) child.kill("SIGTERM");
        throw new Error(
          `crossband up did not get there within ${limitMs} ms (exit ${String(child.exitCode)}):\n${tail}`,
        );
      }
      await new Promise((done) => setTimeout(done, 50));
    }
  };
  const first = await until(() => true, options.limitMs ?? 60_000);
  return {
    home,
    ready: first,
    reread: () => ready(home),
    until,
    output: () => output,
    pid: child.pid ?? 0,
    stop,
    end,
  };
}

function killHard(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has gone by itself.
  }
}
