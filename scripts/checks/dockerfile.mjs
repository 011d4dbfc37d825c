// Lints the Dockerfile, and holds it to what the linter does not know: no root at run time, pinned bases.
import { readFileSync } from "node:fs";
import { ValidationSeverity, validate } from "dockerfile-utils";

const { ERROR } = ValidationSeverity;
const file = "Dockerfile";
const text = readFileSync(file, "utf8");
const lines = text.split("\n");
const lastStage = lines.findLastIndex((line) => /^FROM\s/i.test(line));

const problems = [
  ...validate(text, {
    deprecatedMaintainer: ERROR,
    directiveCasing: ERROR,
    emptyContinuationLine: ERROR,
    instructionCasing: ERROR,
    instructionWorkdirRelative: ERROR,
  }).map(({ range, message }) => `${range.start.line + 1}: ${message}`),
  ...lines.flatMap((line, index) => {
    const image = /^FROM\s+(?:--\S+\s+)*(\S+)/i.exec(line)?.[1];
    return image && !/:(?!latest$)[^/]+$|@sha256:/.test(image)
      ? [`${index + 1}: ${image} has no version`]
      : [];
  }),
  ...(lines.slice(lastStage).some((line) => /^USER\s+(?!root\b|0\b)\S/i.test(line))
    ? []
    : ["the last stage runs as root"]),
];
for (const problem of problems) console.error(`${file}:${problem}`);
process.exit(problems.length > 0 ? 1 : 0);
