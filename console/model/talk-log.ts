import type { GroupState, TalkLogEntry } from "./console.state.ts";
import { texts } from "../texts.ts";

/** Entries kept in the page. */
const LOG_LENGTH = 500;

/** Everybody who talks on a group, ourselves included. */
function speakers(group: GroupState): readonly { readonly leg: string; readonly name: string }[] {
  if (group.card.mode === "half-duplex")
    return group.floor.state === "taken" ? [{ leg: group.floor.leg, name: group.floor.holder.name }] : [];
  return group.talking.map((leg) => ({
    leg,
    name: group.participants.find((participant) => participant.leg === leg)?.name ?? texts.side.kinds.phone,
  }));
}

/** The talk log after a group changed: newest first; entries end when their talker stops. */
export function withTalk(
  log: readonly TalkLogEntry[],
  before: GroupState,
  after: GroupState,
  nowMs: number,
): readonly TalkLogEntry[] {
  const [was, is] = [speakers(before), speakers(after)];
  const begun = is.filter(({ leg }) => !was.some((speaker) => speaker.leg === leg));
  const ended = was.filter(({ leg }) => !is.some((speaker) => speaker.leg === leg));
  if (begun.length === 0 && ended.length === 0) return log;
  const group = after.card.id;
  const closed = log.map((entry) =>
    entry.group === group && entry.endMs === undefined && ended.some(({ name }) => name === entry.who)
      ? { ...entry, endMs: nowMs }
      : entry,
  );
  const firstId = (log[0]?.id ?? 0) + 1;
  const opened = begun.map(({ name }, i): TalkLogEntry => ({
    id: firstId + i,
    group,
    who: name,
    atMs: nowMs,
  }));
  return [...opened.reverse(), ...closed].slice(0, LOG_LENGTH);
}
