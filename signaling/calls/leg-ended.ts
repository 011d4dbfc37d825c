import { z } from "zod";
import type { Logger } from "#common/log.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { legEndedChannel } from "#state/talk-group/talk-group.keys.ts";

const endedSchema = z.object({ type: z.literal("leg-ended"), leg: z.string() });

/**
 * Listens for legs that the media tier gave up. Every signaling process hears of each and tries; the first to commit ends
 * the call, for the others there is nothing left to end.
 *
 * @param subscriber a connection of its own; closed by the returned function
 */
export function watchEndedLegs(
  subscriber: RedisConnection,
  log: Logger,
  ended: (leg: string) => Promise<void>,
): () => void {
  subscriber.on("message", (_channel: string, text: string) => {
    const leg = legOf(text);
    // A radio's leg belongs to its bridge.
    if (leg === undefined || leg.startsWith("radio.")) return;
    ended(leg).catch((error: unknown) => {
      log.warn({ leg, error: String(error) }, "ended leg not hung up");
    });
  });
  subscriber.subscribe(legEndedChannel).catch((error: unknown) => {
    log.warn({ error: String(error) }, "ended legs are not watched");
  });
  return () => {
    subscriber.disconnect();
  };
}

function legOf(text: string): string | undefined {
  try {
    const parsed = endedSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data.leg : undefined;
  } catch {
    return undefined;
  }
}
