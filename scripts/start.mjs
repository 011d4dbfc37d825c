// npm start [-- ARGS]: sets up what is missing, then runs `crossband up ARGS`.
import { join } from "node:path";
import { failSetup } from "./setup/step.mjs";
import { runInOurPlace } from "./setup/run-crossband.mjs";
import { root, setup } from "./setup.mjs";

setup().then(
  () => runInOurPlace(root, [join(root, "crossband.ts"), "up", ...process.argv.slice(2)]),
  failSetup,
);
