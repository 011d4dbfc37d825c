import { describe, expect, it } from "vitest";
import { mayJoin } from "./may-join.ts";

describe("who may join a talk group of the agency fire", () => {
  it.each([
    ["a member", "alice", "fire", ["alice"], true],
    ["one of the agency who is no member", "bob", "fire", ["alice"], false],
    ["anyone of the agency when no members are named", "bob", "fire", [], true],
    ["another agency when no members are named", "carol", "ems", [], false],
    ["a member of another agency", "carol", "ems", ["carol"], true],
  ] as const)("%s", (_title, id, agency, members, allowed) => {
    expect(mayJoin({ id, agency }, { agency: "fire", members: [...members] })).toBe(allowed);
  });
});
