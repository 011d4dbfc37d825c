#!/usr/bin/env node
// npm run chaos -- ARGS: kills signaling processes at every point of a call, on the project's own Node.
import { join } from "node:path";
import { failSetup } from "./setup/step.mjs";
import { runInOurPlace } from "./setup/run-crossband.mjs";
import { root, setup } from "./setup.mjs";

setup().then(
  () => runInOurPlace(root, [join(root, "test/chaos/main.ts"), ...process.argv.slice(2)]),
  failSetup,
);
