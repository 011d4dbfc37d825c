// npm run docs:config [-- --check]: writes docs/CONFIGURATION.md from the schema, or says whether it is up to date.
import { readFileSync, writeFileSync } from "node:fs";
import { listFields } from "#common/config.ts";

const target = new URL("../docs/CONFIGURATION.md", import.meta.url);
const text = render();

if (!process.argv.includes("--check")) writeFileSync(target, text);
else if (readFileSync(target, "utf8") !== text) {
  process.stderr.write("docs/CONFIGURATION.md differs from common/config.ts: run npm run docs:config\n");
  process.exitCode = 1;
}

function render(): string {
  const rows = listFields().map(({ path, schema, doc }) => {
    const cells = [`\`${path.join(".")}\``, doc.env === undefined ? "" : `\`${doc.env}\``];
    const reason = doc.secret === true ? `${doc.reason} (never logged)` : doc.reason;
    return `| ${[...cells, defaultOf(schema), doc.unit ?? "", escape(reason)].join(" | ")} |`;
  });
  return `# Configuration

Written from the schema in \`common/config.ts\` by \`npm run docs:config\`; do not edit.

Settings come from \`crossband.yaml\` in the working directory (or \`--config FILE\`), one level of keys for each dot in the
name; the environment variable, where there is one, goes before it. A wrong value stops the start with a message that names
the field. The settings in force are logged at start with secrets masked.

| Setting | Environment | Default | Unit | Why it is there |
|---|---|---|---|---|
${rows.join("\n")}

Beside these, \`CROSSBAND_LOG\` sets the log level (\`trace\` to \`fatal\`, default \`info\`), \`MEDIASOUP_WORKER_BIN\` names a
mediasoup worker of your own, and \`XDG_CACHE_HOME\` moves the cache in which ours is kept (\`~/.cache\`).

\`\`\`yaml
# crossband.yaml
host: 192.0.2.10
sip:
  advertised: sip.example.org:5060
media:
  ports: 20000-21999
\`\`\`
`;
}

function defaultOf(schema: ReturnType<typeof listFields>[number]["schema"]): string {
  const result = schema.safeParse(undefined);
  if (!result.success || result.data === undefined) return "";
  const value: unknown = result.data;
  if (typeof value !== "object" || value === null) return `\`${String(value)}\``;
  if ("from" in value && "to" in value) return `\`${String(value.from)}-${String(value.to)}\``;
  return Object.keys(value).length === 0 ? "none" : `\`${JSON.stringify(value)}\``;
}

function escape(text: string): string {
  return text.replaceAll("|", "\\|");
}
