/** An edge for applications in a process of its own, for tests that kill it: `node wire-edge-process.ts <redis url> <instance>`. */
import { startWireEdge } from "./drachtio-app.ts";

const [, , redisUrl = "", instance = ""] = process.argv;
const edge = await startWireEdge(redisUrl, instance);
process.stdout.write(`${edge.port} ${edge.drachtio}\n`);
