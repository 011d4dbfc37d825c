import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freeSipPort } from "../../setup/free-ports.ts";

export interface SippOptions {
  /** Name of a scenario of sipp-scenarios/, without `.xml`. */
  readonly scenario: string;
  /** `host:port` of the SIP server. */
  readonly server: string;
  readonly domain: string;
  readonly user: string;
  readonly password: string;
  /** Who is called. */
  readonly service?: string;
  readonly transport?: "udp" | "tcp";
  /** How many calls. */
  readonly calls?: number;
  /** Calls a second that are begun, whatever becomes of those before; one after the other unless said. */
  readonly rate?: number;
  readonly deadlineMs?: number;
  /** Where it listens itself; a free port of 127.0.0.1 unless said. */
  readonly host?: string;
  readonly port?: number;
}

export interface SippOutcome {
  /** Every call went as the scenario says. */
  readonly passed: boolean;
  readonly successful: number;
  readonly failed: number;
  /** Messages that SIPp itself had to repeat. */
  readonly retransmissions: number;
  /** What went wrong, in sipp's words; empty when nothing did. */
  readonly report: string;
}

const SCENARIOS = fileURLToPath(new URL("../../../sipp-scenarios/", import.meta.url));
/** Column of the statistics file that counts something, by its name there. */
const COLUMN = {
  successful: "SuccessfulCall(C)",
  failed: "FailedCall(C)",
  retransmissions: "Retransmissions(C)",
} as const;

/** Runs one SIPp scenario and ends it at its deadline. */
export async function runSipp(options: SippOptions): Promise<SippOutcome> {
  const {
    scenario,
    server,
    domain,
    user,
    password,
    service = "nobody",
    transport = "udp",
    calls = 1,
    rate,
    deadlineMs = 15_000,
    host = "127.0.0.1",
    port,
  } = options;
  const dir = await mkdtemp(join(tmpdir(), "crossband-sipp-"));
  const [stats, errors] = [join(dir, "stats.csv"), join(dir, "errors.log")];
  const settings: Readonly<Record<string, string>> = {
    sf: `${SCENARIOS}${scenario}.xml`,
    i: host,
    // Otherwise it takes 5060, which is the server's.
    p: String(port ?? (await freeSipPort())),
    mi: host,
    m: String(calls),
    l: rate === undefined ? "1" : String(calls),
    ...(rate !== undefined && { r: String(rate) }),
    s: service,
    au: user,
    ap: password,
    t: transport === "udp" ? "u1" : "t1",
    stf: stats,
    error_file: errors,
    recv_timeout: String(Math.min(deadlineMs - 1_000, 8_000)),
    timeout: `${Math.ceil(deadlineMs / 1_000)}s`,
  };
  const keys = { domain, user };
  const args = [
    server,
    ...Object.entries(settings).flatMap(([name, value]) => [`-${name}`, value]),
    ...Object.entries(keys).flatMap(([name, value]) => ["-key", name, value]),
    "-trace_stat",
    "-trace_err",
    "-nostdin",
    "-timeout_error",
  ];
  try {
    const { code, output } = await run(args, deadlineMs + 2_000);
    const read = (file: string) => readFile(file, "utf8").catch(() => "");
    const counted = countsOf(await read(stats));
    const report =
      code === 0 ? "" : `sipp ended with ${code}\n${await read(errors)}\n${output.slice(-2_000)}`;
    return { passed: code === 0 && counted.failed === 0 && counted.successful === calls, ...counted, report };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function run(args: readonly string[], limitMs: number): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn("sipp", args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, TERM: "dumb" },
    });
    let output = "";
    const take = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-20_000);
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    const timer = setTimeout(() => child.kill("SIGKILL"), limitMs);
    child.once("error", (cause) => {
      clearTimeout(timer);
      reject(new Error("sipp cannot be started: install the Debian package sip-tester", { cause }));
    });
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? -1, output });
    });
  });
}

function countsOf(csv: string): { successful: number; failed: number; retransmissions: number } {
  const lines = csv
    .trim()
    .split("\n")
    .map((line) => line.split(";"));
  const last = lines.at(-1) ?? [];
  const value = (name: string) => Number(last[lines[0]?.indexOf(name) ?? -1] ?? 0);
  return {
    successful: value(COLUMN.successful),
    failed: value(COLUMN.failed),
    retransmissions: value(COLUMN.retransmissions),
  };
}
