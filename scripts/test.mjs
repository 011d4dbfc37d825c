// npm test [-- NAME… | --fast]: static checks, then every vitest project. The last line is the count of all of them.
// NAME is a vitest project (unit, redis, sip, e2e) or "static"; --fast leaves e2e out.
import { failSetup } from "./setup/step.mjs";
import { STATIC_CHECKS, checkConsole, runChecks } from "./checks/static-checks.mjs";
import { PROJECTS, runProject } from "./checks/vitest-projects.mjs";
import { root, setup } from "./setup.mjs";

const PARTS = ["static", ...PROJECTS];
const NEEDS_CONSOLE = ["static", "sip", "e2e"];

main(process.argv.slice(2)).catch(failSetup);

async function main(args) {
  const unknown = args.filter((arg) => arg !== "--fast" && !PARTS.includes(arg));
  if (unknown.length > 0) {
    process.stderr.write(`npm test: unknown ${unknown.join(" ")}; there is ${PARTS.join(", ")} and --fast\n`);
    process.exit(2);
  }
  const named = args.filter((arg) => arg !== "--fast");
  const parts = (named.length > 0 ? named : PARTS).filter(
    (part) => !(args.includes("--fast") && part === "e2e"),
  );

  await setup({ forTests: true });
  const total = { passed: 0, failed: 0, skipped: 0 };
  const add = (counts) => {
    for (const key of Object.keys(total)) total[key] += counts[key];
  };
  if (parts.some((part) => NEEDS_CONSOLE.includes(part))) add(await checkConsole(root));
  if (parts.includes("static")) add(await runChecks(root, STATIC_CHECKS));
  for (const project of PROJECTS) if (parts.includes(project)) add(await runProject(root, project));

  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
  process.stdout.write(`${total.passed} passed, ${total.failed} failed${skipped}\n`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}
