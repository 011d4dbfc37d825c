import { describe, expect, it } from "vitest";
import { provisionSchema, type User } from "#state/directory/provision.ts";
import { findTarget, type Lookup } from "./target.ts";

const file = provisionSchema.parse({
  agencies: [{ id: "fire", name: "Fire" }, { id: "ems", name: "EMS" }],
  users: [{ id: "alice", agency: "fire", name: "Alice", password: "x" }],
  talkGroups: [
    { id: "fire-1", agency: "fire", name: "Fire 1", members: ["alice"] },
    { id: "fire-2", agency: "fire", name: "Fire 2" },
  ],
  trunks: [{ id: "t", peers: ["127.0.0.1:5080"], inbound: [{ did: "+15551230001", to: "fire-1" }] }],
}); // prettier-ignore
const alice: User = { id: "alice", agency: "fire", name: "Alice", priority: 5, ha1: { md5: "", sha256: "" } };
const lookup: Lookup = {
  talkGroup: (id) => Promise.resolve(file.talkGroups.find((group) => group.id === id)),
  user: (id) => Promise.resolve(id === "alice" ? alice : undefined),
  trunks: () => Promise.resolve(file.trunks),
  emergencyGroup: "fire-2",
};

describe("routing", () => {
  it.each([
    ["a talk group's name", { kind: "name", name: "fire-1" }, { kind: "group", group: { id: "fire-1" } }],
    ["a user's name", { kind: "name", name: "alice" }, { kind: "user", user: { id: "alice" } }],
    ["a DID", { kind: "number", number: "+15551230001" }, { kind: "group", group: { id: "fire-1" } }],
    ["an emergency", { kind: "emergency" }, { kind: "group", group: { id: "fire-2" } }],
    ["an unknown name", { kind: "name", name: "nobody" }, { kind: "unknown" }],
    ["an outside number", { kind: "number", number: "+15559999999" }, { kind: "outside" }],
    ["another domain", { kind: "foreign" }, { kind: "unknown" }],
    ["nothing", { kind: "none" }, { kind: "unknown" }],
  ] as const)("%s", async (_title, addressee, target) => {
    expect(await findTarget(addressee, lookup)).toMatchObject(target);
  });

  it("knows no emergency group unless one is configured", async () => {
    expect(await findTarget({ kind: "emergency" }, { ...lookup, emergencyGroup: undefined })).toEqual({
      kind: "unknown",
    });
  });
});
