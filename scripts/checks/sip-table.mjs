// Holds docs/SIP.md to its word: a row that says yes or part names a test or a scenario, and what it names is there.
import { existsSync, globSync, readFileSync } from "node:fs";

const FILE = "docs/SIP.md";
const COLUMNS = ["RFC, clause", "Supported", "How", "Test"];

/** The ways in which a name of the Test column may be written: under signaling/, from the root, or a scenario's name. */
const spellings = (name) => [`signaling/${name}`, name, `sipp-scenarios/${name}.xml`];
const exists = (name) =>
  spellings(name).some((path) => (path.includes("*") ? globSync(path).length > 0 : existsSync(path)));

const cellsOf = (line) =>
  line
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());

const problems = [];
let rows = 0;
let inTable = false;
for (const [index, line] of readFileSync(FILE, "utf8").split("\n").entries()) {
  const fail = (problem) => problems.push(`${FILE}:${index + 1}: ${problem}`);
  if (!/^\|.*\|$/.test(line)) {
    inTable = false;
    continue;
  }
  const cells = cellsOf(line);
  if (cells.includes("Supported")) {
    inTable = true;
    if (cells.join() !== COLUMNS.join()) fail(`the columns of a table are ${COLUMNS.join(" | ")}`);
    continue;
  }
  if (!inTable || /^-+$/.test(cells[0])) continue;
  rows++;
  const [clause, supported, , test = ""] = cells;
  if (cells.length !== COLUMNS.length) fail(`${clause}: ${cells.length} cells, not ${COLUMNS.length}`);
  else if (!/^(yes|part|no)\b/.test(supported)) fail(`${clause}: Supported begins with yes, part or no`);
  const names = [...test.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
  if (/^(yes|part)\b/.test(supported) && names.length === 0)
    fail(`${clause}: names no test; write \`its/path.test.ts\` or \`a-scenario\``);
  for (const name of names) if (!exists(name)) fail(`${clause}: there is no ${spellings(name).join(", ")}`);
}
if (rows === 0) problems.push(`${FILE}: no table with a column Supported`);
for (const problem of problems) console.error(problem);
process.exit(problems.length > 0 ? 1 : 0);
