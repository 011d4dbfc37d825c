import { texts } from "../texts.ts";
import type { GroupCard } from "./console.state.ts";
import type { TalkState } from "./talk.machine.ts";

/** Why a press came to nothing, and what to do: never a bare "error". Undefined when it did not. */
export function refusalText(card: GroupCard, talk: TalkState): string | undefined {
  const { refusal } = texts;
  const { name } = card;
  if (talk.name === "cut")
    switch (talk.cause) {
      case "limit":
        return refusal.limit(name, card.maxTalkMs);
      case "no-link":
        return refusal.noLink(name);
      case "revoked":
        return talk.by ? refusal.cut(name, talk.by.name) : refusal.cutUnknown(name);
      case "expired":
        return refusal.cutUnknown(name);
    }
  if (talk.name === "refused")
    switch (talk.cause) {
      case "busy":
      case "too-many-holds":
        return talk.holder ? refusal.busy(name, talk.holder.name) : refusal.busyUnknown(name);
      case "listen-only":
        return refusal.listenOnly(name);
      case "limit":
        return refusal.limit(name, card.maxTalkMs);
      case "not-joined":
        return refusal.notJoined(name);
      case "no-media":
      case "no-answer":
        return refusal.noMedia(name);
      case "no-link":
        return refusal.noLink(name);
    }
  return undefined;
}
