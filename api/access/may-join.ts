import type { TalkGroup, User } from "#state/directory/provision.ts";

/** Whether a user may join a group: its members, or everybody of its agency when it names none. */
export const mayJoin = (group: TalkGroup, user: Pick<User, "id" | "agency">): boolean =>
  group.members.length === 0 ? group.agency === user.agency : group.members.includes(user.id);
