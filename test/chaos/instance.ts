/**
 * `crossband signaling` with a tap on its sockets, for the harness that kills it. It runs the product as it is: the tap
 * replaces methods of the socket and Redis libraries before anything of the product is loaded.
 */
import { loadConfig } from "#common/config.ts";
import { Tap, type TapNews, type TapOrder } from "./tap.ts";

const tap = new Tap((news: TapNews) => process.send?.(news));
tap.install();
process.on("message", (order: TapOrder) => {
  tap.obey(order);
});
const { runRole } = await import("../../cli/role/run-role.ts");
process.exit(await runRole("signaling", loadConfig(process.env, undefined, false)));
