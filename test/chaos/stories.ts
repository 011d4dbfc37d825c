import { describeSeen, type Seen } from "./sprayer.ts";
import type { CallOutcome } from "./run-call.ts";

/** Messages of one caller that are kept; the newest are the ones that say what is left behind. */
const KEPT = 400;

/** What every caller and callee said and heard, by caller: for the calls that did not end as they should. */
export class Stories {
  private readonly seen = new Map<string, Seen[]>();

  /** @param source where messages are seen */
  constructor(source: { onSeen: (seen: Seen) => void }) {
    source.onSeen = (seen) => {
      const caller = callerIn(seen.packet.text);
      if (caller === undefined) return;
      const list = this.seen.get(caller) ?? [];
      this.seen.set(caller, list);
      list.push(seen);
      if (list.length > KEPT) list.shift();
    };
  }

  /** All that concerned a call's two phones while it ran. */
  of({ user, callId, startedMs, endedMs }: CallOutcome): string[] {
    const during = (this.seen.get(user) ?? []).filter(({ atMs }) => atMs >= startedMs && atMs <= endedMs);
    return during.map((seen) => describeSeen(seen, startedMs, callId));
  }

  /** All that went in a call from `startMs` on, known by a piece of text that is in each of its messages. */
  from(user: string, text: string, startMs: number): string[] {
    const all = (this.seen.get(user) ?? []).filter(({ packet }) => packet.text.includes(text));
    const callId = all.find(({ packet }) => !packet.callId.includes(text))?.packet.callId ?? "";
    return all.map((seen) => describeSeen(seen, startMs, callId));
  }
}

/** The caller's address is in each message of either leg. */
const callerIn = (text: string): string | undefined => /\bsip:(c\d+)@/.exec(text)?.[1];
