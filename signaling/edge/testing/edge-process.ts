/**
 * An edge in a process of its own, for tests that kill it: `node edge-process.ts <redis url> <instance> <port>`.
 * Prints its UDP port when it listens, then one line for each event that call control was told.
 */
import { flushCompileCache } from "node:module";
import { createLogger, silent } from "#common/log.ts";
import { answeringHandler } from "./answering-handler.ts";
import { slowHandler } from "./slow-handler.ts";
import { startTestEdge } from "./test-edge.ts";

const [, , redisUrl = "", instance = "", port = "0", kind = "answering"] = process.argv;
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const told = ({ type }: { readonly type: string }): void => {
  if (process.env["QUIET"] === undefined) say(type);
};
const edge = await startTestEdge({
  redisUrl,
  instance,
  port: Number(port),
  handler: kind === "slow" ? slowHandler(told) : answeringHandler(told),
  log: process.env["EDGE_LOG"] === undefined ? silent : createLogger("edge", instance, "debug"),
});
// It is killed before it could leave its compiled code to the next.
flushCompileCache();
say(String(edge.port));
process.once("SIGTERM", () => {
  void edge.close();
});
// With --expose-gc: how much of the heap is in use once what is garbage has gone, and what the sockets have seen.
process.on("message", (message) => {
  if (message !== "heap") return;
  globalThis.gc?.();
  globalThis.gc?.();
  process.send?.({ heap: process.memoryUsage().heapUsed, events: edge.edge.sockets.counters });
});
