import { Command, CommanderError } from "commander";
import { listFields, loadConfig, type Config } from "#common/config.ts";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Role } from "#state/instance/instance.ts";
import { tell } from "./tell.ts";

const ROLES: Readonly<Record<Role, string>> = {
  signaling: "SIP server and call control; run as many as you like, they share the SIP ports",
  edge: "SIP server alone, for drachtio applications; starts a Redis of its own without REDIS_URL",
  media: "audio bus and WebRTC of the talk groups",
  "radio-bridge": "radio channels",
  api: "console, REST API, event stream and SIP over WebSocket",
};

/** Parses arguments, runs one command and resolves with the exit code. Errors are told in one sentence. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  let exitCode = 0;
  const program = buildProgram((code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(argv);
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    tell(process.stderr, describeError(error));
    return 1;
  }
}

function buildProgram(exit: (code: number) => void): Command {
  const program = new Command("crossband")
    .description("Two-way radio, telephones and WebRTC video in shared talk groups.")
    .option("-c, --config <file>", "configuration file (default: crossband.yaml when there is one)")
    .addHelpText(
      "after",
      `\n${environmentHelp()}\n\nCROSSBAND_LOG sets the log level (default info). Every field: docs/CONFIGURATION.md`,
    )
    .exitOverride();
  const configured = (): Config => {
    const { config } = program.opts<{ config?: string }>();
    return loadConfig(process.env, config, config !== undefined);
  };

  program
    .command("up")
    .description(
      "start everything on this machine and keep it running, with the demo unless CROSSBAND_PROVISION is set",
    )
    .addHelpText("after", UP_HELP)
    .action(async () => {
      const { up } = await import("./up/up.ts");
      exit(await up(configured()));
    });

  for (const [role, description] of Object.entries(ROLES) as [Role, string][]) {
    program
      .command(role)
      .description(description)
      .addHelpText(
        "after",
        role === "edge" ? "" : "\nNeeds REDIS_URL: roles find each other through Redis only.",
      )
      .action(async () => {
        const { runRole } = await import("./role/run-role.ts");
        exit(await runRole(role, configured()));
      });
  }

  program
    .command("apply")
    .description(
      "write a provisioning file's domain, agencies, users, talk groups, radio channels and trunks into Redis",
    )
    .requiredOption("-f, --file <file>", "provisioning file (YAML), or - for standard input")
    .option("--check", "only say whether the file is valid")
    .option(
      "--prune-trunks",
      "remove trunks that the file does not name; everything else it does not name stays",
    )
    .action(async (options: { file: string; check?: boolean; pruneTrunks?: boolean }) => {
      const { apply } = await import("./apply.ts");
      const { check = false, pruneTrunks = false } = options;
      exit(await apply(configured(), options.file, { check, pruneTrunks }));
    });

  program
    .command("trunks")
    .description("show each peer of each trunk: health, registration, calls against the limits")
    .option("--json", "one JSON object a line")
    .action(async (options: { json?: boolean }) => {
      const { trunks } = await import("./trunks.ts");
      exit(await trunks(configured(), options.json === true));
    });

  program
    .command("doctor")
    .description("check that this machine has what Crossband needs, and say what to do about what is missing")
    .action(async () => {
      const { doctor } = await import("./doctor.ts");
      exit(await doctor(configured()));
    });

  program
    .command("bans")
    .description("list the addresses that are not read because of what they sent")
    .option("--lift <address>", "read this one again")
    .action(async (options: { lift?: string }) => {
      const { bans } = await import("./bans.ts");
      exit(await bans(configured(), options.lift));
    });

  program
    .command("calls")
    .description("list the calls that are there now")
    .option("--json", "one JSON object a line")
    .option("--watch", "again every two seconds, until interrupted")
    .option("--all", "also calls that are over and not forgotten yet")
    .option("--limit <count>", "at most so many", "1000")
    .action(async (options: { json?: boolean; watch?: boolean; all?: boolean; limit: string }) => {
      const { calls } = await import("./calls.ts");
      const { json = false, watch = false, all = false } = options;
      exit(await calls(configured(), { json, watch, all, limit: countOf("--limit", options.limit) }));
    });

  program
    .command("call")
    .description("show one call: what it is, and with --ladder its messages")
    .argument("<id>", "id of the call or the beginning of it, or the Call-ID of a leg")
    .option("--ladder", "draw its messages between the parties")
    .option("--raw", "print its messages, redacted as they are kept")
    .option("--json", "print what is kept as JSON")
    .option("--legs <numbers>", "draw these legs only: 0,2,3")
    .option("--ascii", "draw with plain characters")
    .option("--width <columns>", "draw as wide as that")
    .addHelpText("after", CALL_HELP)
    .action(async (id: string, options: CallFlags) => {
      const { call } = await import("./call.ts");
      const { ladder = false, raw = false, json = false, ascii = false } = options;
      const legs = options.legs?.split(",").map((leg) => countOf("--legs", leg));
      const width = options.width === undefined ? undefined : countOf("--width", options.width);
      exit(await call(configured(), id, { ladder, raw, json, ascii, legs, width }));
    });

  program
    .command("bench")
    .description("run a benchmark; without a name, list them")
    .argument("[name]", "which one")
    .argument("[options...]", "key=value settings of the benchmark")
    .action(async (name: string | undefined, options: string[]) => {
      const { bench } = await import("./bench.ts");
      exit(await bench(name, options));
    });
  return program;
}

interface CallFlags {
  ladder?: boolean;
  raw?: boolean;
  json?: boolean;
  ascii?: boolean;
  legs?: string;
  width?: string;
}

/** @throws CrossbandError CONFIG_INVALID unless the text is a whole number */
function countOf(option: string, text: string): number {
  if (!/^\d{1,6}$/.test(text))
    throw new CrossbandError(ErrorCode.ConfigInvalid, `${option} takes whole numbers, not "${text}"`);
  return Number(text);
}

const CALL_HELP = `
Messages are kept for sip.trace.keepSeconds after a call's last one, with credentials, keys, digits and texts taken out.
Ends with 0, with 2 when the id fits several calls, with 3 when there is no such call.`;

const UP_HELP = `
Starts redis-server (unless REDIS_URL is set), signaling, media, radio-bridge and api; restarts what dies; drains on SIGTERM.
Writes $CROSSBAND_HOME/ready.json when everything runs.`;

function environmentHelp(): string {
  const rows = listFields().flatMap(({ schema, doc }) => {
    if (doc.env === undefined) return [];
    const fallback: unknown = schema.safeParse(undefined).data;
    const text =
      doc.secret === true || fallback === undefined || !["string", "number"].includes(typeof fallback)
        ? ""
        : ` (default ${JSON.stringify(fallback)})`;
    return [`  ${doc.env.padEnd(28)} ${doc.reason}${text}`];
  });
  return ["Environment:", ...rows].join("\n");
}

/** One sentence for a person; the stack only for what we did not expect. */
function describeError(error: unknown): string {
  if (error instanceof CrossbandError) return `crossband: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
