#!/usr/bin/env node
import { runCommandLine } from "./cli/command-line.ts";

const code = await runCommandLine(process.argv);
// A command that failed may leave connections open: it must end all the same, but not before its words are out.
const said = [process.stdout, process.stderr].map(
  (stream) =>
    new Promise<void>((done) => {
      // Nobody may be listening any more.
      stream.once("error", done);
      stream.write("", () => {
        done();
      });
    }),
);
await Promise.race([Promise.all(said), new Promise((done) => setTimeout(done, 500))]);
process.exit(code);
