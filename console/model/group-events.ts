import type { GroupEvent, Participant } from "#common/media-control.ts";
import type { GroupState } from "./console.state.ts";

/** Who others hear on a group now, ourselves left out. */
export function talkersOf(group: GroupState): readonly { readonly leg: string; readonly name: string }[] {
  const ours = group.call.name === "in" ? group.call.leg : undefined;
  if (group.card.mode === "half-duplex") {
    const { floor } = group;
    return floor.state === "taken" && floor.leg !== ours ? [{ leg: floor.leg, name: floor.holder.name }] : [];
  }
  return group.talking
    .filter((leg) => leg !== ours)
    .map((leg) => ({ leg, name: nameOf(group.participants, leg) }));
}

const nameOf = (participants: readonly Participant[], leg: string): string =>
  participants.find((participant) => participant.leg === leg)?.name ?? "Someone";

/** A group after an event of its stream; news that are older than what we have change nothing. */
export function withEvent(group: GroupState, event: GroupEvent, nowMs: number): GroupState {
  switch (event.type) {
    case "floor":
      return event.floor.seq < group.floor.seq
        ? group
        : withTalkers(group, { ...group, floor: event.floor }, nowMs);
    case "talking":
      return withTalkers(group, { ...group, talking: event.talking }, nowMs);
    case "participants":
      return { ...group, participants: event.participants };
    case "video":
      return group.call.name === "in" && group.call.leg === event.leg
        ? { ...group, slots: event.slots }
        : group;
    case "floor-result":
    case "leg-ended":
      return group;
  }
}

/** Counts what a muted strip missed and remembers who talked last. */
function withTalkers(before: GroupState, after: GroupState, nowMs: number): GroupState {
  const [was, is] = [talkersOf(before), talkersOf(after)];
  const begun = is.filter(({ leg }) => !was.some((talker) => talker.leg === leg)).length;
  const ended = was.find(({ leg }) => !is.some((talker) => talker.leg === leg));
  return {
    ...after,
    missed: after.muted ? after.missed + begun : 0,
    ...(ended && { last: { name: ended.name, atMs: nowMs } }),
  };
}
