// Programs and libraries of the system, from Debian's packages where we may install them.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { SetupProblem, runQuietly, step } from "./step.mjs";

/** Program that must be on the PATH, and the package that brings it. */
export const RUN_PROGRAMS = { "redis-server": "redis-server" };
export const TEST_PROGRAMS = {
  "redis-server": "redis-server",
  sipp: "sip-tester",
  baresip: "baresip-core",
  chromium: "chromium",
  tshark: "tshark",
  sox: "sox",
  "espeak-ng": "espeak-ng",
  openssl: "openssl",
};

/** Installs the packages of those programs that are missing. */
export async function ensurePrograms(programs, purpose) {
  const missing = Object.keys(programs).filter((program) => !onPath(program));
  await install([...new Set(missing.map((program) => programs[program]))], purpose);
  const still = missing.filter((program) => !onPath(program));
  if (still.length > 0)
    throw new SetupProblem(`${still.join(", ")} is not on the PATH although its package is installed`);
}

/** Installs the packages that dpkg does not have, whether they bring programs or only libraries. */
export async function ensurePackages(packages, purpose) {
  const { code, output } = await runQuietly("dpkg-query", [
    "-W",
    "-f",
    "${Package} ${db:Status-Status}\\n",
    ...packages,
  ]);
  if (code === 127)
    throw new SetupProblem(
      `${purpose} needs ${packages.join(" ")} (names of Debian packages); install their equivalents and start again`,
    );
  await install(
    packages.filter((name) => !output.split("\n").includes(`${name} installed`)),
    purpose,
  );
}

export function onPath(program) {
  return (process.env.PATH ?? "").split(delimiter).some((dir) => {
    try {
      accessSync(join(dir, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

async function install(packages, purpose) {
  if (packages.length === 0) return;
  const byHand = `apt-get install --no-install-recommends ${packages.join(" ")}`;
  if (!onPath("apt-get"))
    throw new SetupProblem(
      `${purpose} needs ${packages.join(", ")}: install it with your system's package manager`,
    );
  const prefix = await rootPrefix();
  if (prefix === undefined)
    throw new SetupProblem(`${purpose} needs ${packages.join(", ")}: run "sudo ${byHand}", then start again`);
  await step(`Installing Debian packages: ${packages.join(" ")}`, async () => {
    const apt = (...args) => {
      const [command, ...rest] = [...prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", ...args];
      return runQuietly(command, rest);
    };
    // Fails where one list of several is out of reach; the installation tells whether that mattered.
    await apt("update", "-qq");
    const { code, output } = await apt("install", "-y", "-qq", "--no-install-recommends", ...packages);
    if (code !== 0) {
      const reason =
        output
          .trim()
          .split("\n")
          .filter((line) => line.startsWith("E:"))[0] ?? `apt-get ended with ${code}`;
      throw new SetupProblem(
        `${packages.join(", ")} could not be installed (${reason}): run "sudo ${byHand}", then start again`,
      );
    }
  });
}

/** How to become root without a question, or undefined. */
async function rootPrefix() {
  if (process.getuid?.() === 0) return [];
  const { code } = await runQuietly("sudo", ["-n", "true"]);
  return code === 0 ? ["sudo", "-n"] : undefined;
}
