import type { Clock } from "#common/clock.ts";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Logger } from "#common/log.ts";
import { NO_MEDIA, type MediaClient, type MediaOutcome } from "#signaling/calls/media/media-client.ts";
import type { CallMetrics } from "#signaling/calls/metrics.ts";
import type { CallId } from "#signaling/sip-port/sip-port.ts";
import type { CallEvent } from "./call-event.ts";
import type { MediaRequest } from "./effect.ts";

export interface AskMediaOptions {
  readonly clock: Pick<Clock, "now">;
  readonly log: Logger;
  readonly metrics: Pick<CallMetrics, "mediaError">;
  readonly media: Pick<MediaClient, "run">;
  /** Begins a step of the call with what the media tier said. */
  readonly take: (callId: CallId, event: CallEvent) => Promise<void>;
}

/** How often, and how far apart in ms, an answer of the media tier is tried to be stored: about as long as a caller waits. */
const TAKE_IN_TRIES = 30;
const TAKE_IN_AGAIN_MS = 1_000;

/** What calls ask of the media tier, and how it comes back to them. */
export interface MediaQuestions {
  /** Asks. Resolves with what the answer is to the call; undefined when it is nothing to it. Never rejects. */
  ask(callId: CallId, request: MediaRequest): Promise<CallEvent | undefined>;
  /** Brings an answer to the call, on whatever record it has when it comes. */
  bring(callId: CallId, answer: Promise<CallEvent | undefined>): void;
}

export function createMediaQuestions({ clock, log, metrics, media, take }: AskMediaOptions): MediaQuestions {
  /** What the media tier said is said once: while Redis is away it is kept. */
  const takeIn = async (callId: CallId, event: CallEvent): Promise<void> => {
    for (let attempt = 1; ; attempt++) {
      try {
        await take(callId, event);
        return;
      } catch (error) {
        const away = error instanceof CrossbandError && error.code === ErrorCode.StateUnavailable;
        if (!away || attempt === TAKE_IN_TRIES) throw error;
        await new Promise((again) => setTimeout(again, TAKE_IN_AGAIN_MS));
      }
    }
  };
  return {
    async ask(callId, request) {
      const outcome = await media.run(request);
      if (outcome.outcome !== "done") {
        const { leg, op } = request;
        const status = outcome.outcome === "refused" ? outcome.refusal.status : NO_MEDIA.status;
        metrics.mediaError(status);
        log.warn({ callId, leg, op, outcome: outcome.outcome, status }, "media request failed");
      }
      return mediaEvent(request, outcome, clock.now());
    },
    bring(callId, answer) {
      answer
        .then((event) => event && takeIn(callId, event))
        .catch((error: unknown) => {
          // The timer `media`, or the instance that adopts the call, asks again.
          log.error({ callId, error: String(error) }, "media answer not taken in");
        });
    },
  };
}

/** What a media answer is to the call; a digit's is nothing to it. */
function mediaEvent(request: MediaRequest, outcome: MediaOutcome, atMs: number): CallEvent | undefined {
  const { leg } = request;
  switch (request.op) {
    case "put": {
      const { revision } = request.body;
      if (outcome.outcome === "done") {
        const { answer, by } = outcome;
        return { type: "described", leg, revision, description: answer.description, by, atMs };
      }
      const refusal = outcome.outcome === "refused" ? outcome.refusal : NO_MEDIA;
      return { type: "refused", leg, revision, refusal, atMs };
    }
    case "delete":
      // Unreachable: the timer asks again until its tries are used up.
      return outcome.outcome === "unreachable" ? undefined : { type: "closed", leg, atMs };
    case "digit":
      return undefined;
  }
}
