#!/usr/bin/env node
// npm run torture -- ARGS: mutated messages through a running SIP server, on the project's own Node.
import { join } from "node:path";
import { failSetup } from "./setup/step.mjs";
import { runInOurPlace } from "./setup/run-crossband.mjs";
import { root, setup } from "./setup.mjs";

setup().then(
  () => runInOurPlace(root, [join(root, "test/torture/main.ts"), ...process.argv.slice(2)]),
  failSetup,
);
