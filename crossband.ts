#!/usr/bin/env node
import { runCommandLine } from "./cli/command-line.ts";

const code = await runCommandLine(process.argv);
// A command that failed may leave connections open: it must end all the same, but not before its words are out.
for (const stream of [process.stdout, process.stderr])
  await new Promise<void>((done) =>
    stream.write("", () => {
      done();
    }),
  );
process.exit(code);
