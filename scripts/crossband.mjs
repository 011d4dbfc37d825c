#!/usr/bin/env node
// npm run crossband -- ARGS and npm run bench -- NAME: the command on the project's own Node.
import { join } from "node:path";
import { failSetup } from "./setup/step.mjs";
import { runInOurPlace } from "./setup/run-crossband.mjs";
import { root, setup } from "./setup.mjs";

setup().then(() => runInOurPlace(root, [join(root, "crossband.ts"), ...process.argv.slice(2)]), failSetup);
