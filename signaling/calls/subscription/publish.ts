import { createHash } from "node:crypto";
import type { User } from "#state/directory/provision.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import { publishState } from "#state/subscription/publications.ts";
import type { HeaderList } from "#signaling/calls/capabilities.ts";
import type { Target } from "#signaling/calls/routing/target.ts";
import type { SipEvent, Step } from "#signaling/sip-port/sip-port.ts";
import { ALLOW_EVENTS, CONTENT_TYPES, packageOf, resourceOf } from "./event-package.ts";
import { readPresence } from "./presence-document.ts";

export interface PublishOptions {
  readonly redis: RedisConnection;
  /** Tells those who watch. */
  readonly note: (resource: string) => void;
  readonly minSeconds: number;
  readonly maxSeconds: number;
}

type Request = Extract<SipEvent, { type: "request" }>;

/** What a PUBLISH is answered with. */
interface Answer {
  readonly status: number;
  readonly headers?: HeaderList;
}

/** Takes the presence that a device publishes (RFC 3903 §6). */
export function createPublish({ redis, note, minSeconds, maxSeconds }: PublishOptions) {
  const answerTo = async ({ message }: Request, user: User, target: Target, tag: string): Promise<Answer> => {
    if (packageOf(message.header("event")) !== "presence") return { status: 489, headers: ALLOW_EVENTS };
    if (target.kind !== "user") return { status: 404 };
    if (target.user.id !== user.id) return { status: 403 };
    const wanted = message.expires ?? maxSeconds;
    if (wanted > 0 && wanted < minSeconds)
      return { status: 423, headers: [["Min-Expires", String(minSeconds)]] };
    const seconds = Math.min(wanted, maxSeconds);
    const match = message.header("sip-if-match")?.trim();
    if (message.hasBody && message.contentType !== CONTENT_TYPES.presence)
      return { status: 415, headers: [["Accept", CONTENT_TYPES.presence]] };
    const state = message.hasBody ? readPresence(message.body) : undefined;
    if (message.hasBody ? state === undefined : match === undefined) return { status: 400 };
    const outcome = await publishState(redis, { user: user.id, tag, seconds, ...(match !== undefined && { match }), ...(state && { state }) }); // prettier-ignore
    if (outcome === "unknown") return { status: 412 };
    if (outcome === "full") return { status: 503, headers: [["Retry-After", String(minSeconds)]] };
    return { status: 200, headers: [["SIP-ETag", tag], ["Expires", String(seconds)]] }; // prettier-ignore
  };

  return async (request: Request, user: User, target: Target, step: Step): Promise<void> => {
    // The call id follows from the request: a survivor that does it again gives the same tag.
    const tag = createHash("sha256").update(step.callId).digest("base64url").slice(0, 20);
    const { status, headers = [] } = await answerTo(request, user, target, tag);
    step.command({ type: "reply", txn: request.txn, status, headers });
    if (status === 200)
      step.after(() => {
        note(resourceOf("presence", user.id));
      });
  };
}
