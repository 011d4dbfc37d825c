import type { Config } from "#common/config.ts";
import { fetchBans, liftBan } from "#state/ban/bans.ts";
import { printable } from "./printable.ts";
import { tell } from "./tell.ts";
import { withState } from "./with-state.ts";

/** `crossband bans`: the addresses that are not read, or with `lift` one of them freed. Resolves with the exit code. */
export function bans(config: Config, lift: string | undefined): Promise<number> {
  return withState(config, "bans", async (redis) => {
    if (lift !== undefined) {
      const lifted = await liftBan(redis, lift);
      tell(process.stdout, lifted ? "lifted; read again within 5 s" : `no ban of ${printable(lift)}`);
      return lifted ? 0 : 1;
    }
    const nowMs = Date.now();
    const list = await fetchBans(redis, nowMs);
    for (const { host, offence, proven, untilMs } of list.sort((a, b) => b.untilMs - a.untilMs)) {
      const left = `${Math.ceil((untilMs - nowMs) / 1_000)} s left`;
      const reach = proven ? "not read" : "read slowly: over UDP an address may be forged";
      tell(process.stdout, printable(`${host.padEnd(40)} ${offence.padEnd(15)} ${left.padEnd(12)} ${reach}`));
    }
    if (list.length === 0) tell(process.stdout, "no address is banned");
    return 0;
  });
}
