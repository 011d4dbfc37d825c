import type { Logger } from "#common/log.ts";
import { flowNameOf, type Follower } from "#state/registration/follow-flow.ts";
import type { Change } from "#state/registration/register.ts";
import type { Flow, SipPort } from "#signaling/sip-port/sip-port.ts";

/** A client gets its answer after so long even when not all of its calls have followed: they are found when they fail. */
const LIMIT_MS = 1_000;

/**
 * Brings the calls of a client that has registered over a new connection along to it. A leg whose call cannot be stepped now
 * follows later: what is sent to it fails, and the registration says where to.
 */
export function createReturn(port: Pick<SipPort, "begin">, log: Logger) {
  return async (
    user: string,
    source: Flow,
    changes: readonly Change[] | "all",
    followers: readonly Follower[],
  ): Promise<void> => {
    if (changes === "all") return;
    const here = flowNameOf(source);
    const bound = new Set(changes.filter(({ seconds }) => seconds > 0).map(({ key }) => key));
    const left = followers.filter(({ key, flow }) => bound.has(key) && flow !== here);
    if (left.length === 0) return;
    log.info({ legs: left.length }, "client is back on another connection");
    const moves = left.map(({ leg, key }) =>
      port
        .begin(leg.replace(/\.\d+$/, ""), (step) => {
          step.command({ type: "follow", leg, registration: { user, key }, flow: source });
          return Promise.resolve();
        })
        .catch((error: unknown) => {
          log.warn({ leg, error: String(error) }, "leg does not follow its client");
        }),
    );
    await Promise.race([Promise.all(moves), new Promise((resolve) => setTimeout(resolve, LIMIT_MS).unref())]);
  };
}
