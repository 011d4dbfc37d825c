/** An edge for applications in a process of its own, for tests that kill it: `node wire-edge-process.ts <redis url> <instance>`. */
import { flushCompileCache } from "node:module";
import { startWireEdge } from "./drachtio-app.ts";

const [, , redisUrl = "", instance = ""] = process.argv;
const edge = await startWireEdge(redisUrl, instance);
// It is killed before it could leave its compiled code to the next.
flushCompileCache();
process.stdout.write(`${edge.port} ${edge.drachtio}\n`);
