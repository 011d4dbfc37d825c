import type { TalkGroup, User } from "./provision.ts";

/** Who may join a talk group: its members, or every user of its agency when it names none. */
export const mayJoin = (
  user: Pick<User, "id" | "agency">,
  group: Pick<TalkGroup, "agency" | "members">,
): boolean => (group.members.length === 0 ? group.agency === user.agency : group.members.includes(user.id));
