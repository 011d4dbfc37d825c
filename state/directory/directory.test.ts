import { describe, expect, it } from "vitest";
import { digestHashes, parseProvision } from "./directory.ts";

const valid = `
domain: crossband.local
agencies: [{ id: county-fire, name: County Fire }]
users: [{ id: alice, agency: county-fire, name: Alice Rivera, password: secret, priority: 5 }]
talkGroups: [{ id: fire-1, agency: county-fire, name: Fire Dispatch 1, mode: half-duplex, members: [alice, engine-5],
               maxTalkMs: 60000, hangMs: 500, queue: true, phonePtt: dtmf, record: true }]
radioChannels: [{ id: engine-5, agency: county-fire, talkGroup: fire-1, protocol: usrp, listen: 127.0.0.1:32001, remote: 127.0.0.1:34001 }]
trunks: [{ id: carrier-a, peers: [127.0.0.1:5080], username: u, password: p, inbound: [{ did: "+15551230001", to: fire-1 }] }]
`;
const problemOf = (text: string): string => {
  try {
    parseProvision(text);
  } catch (error) {
    return (error as Error).message;
  }
  return "accepted";
};

describe("provisioning", () => {
  it("reads every kind of resource and fills in what is left out", () => {
    const file = parseProvision(valid);
    expect(file.talkGroups[0]).toMatchObject({
      id: "fire-1",
      mode: "half-duplex",
      members: ["alice", "engine-5"],
      hangMs: 500,
    });
    expect(file.radioChannels[0]).toMatchObject({ protocol: "usrp", priority: 5 });
  });

  it("accepts an empty file", () => {
    expect(parseProvision("")).toMatchObject({ users: [], talkGroups: [] });
  });

  it.each([
    ["a mode that does not exist", valid.replace("half-duplex", "simplex"), "talkGroups.0.mode"],
    ["an unknown field", valid.replace("record:", "recrod:"), "talkGroups.0"],
    [
      "a member that is nobody",
      valid.replace("[alice, engine-5]", "[mallory]"),
      "talkGroups.0.members.0: names no user or radio channel of this file: mallory",
    ],
    [
      "an agency that is not there",
      valid.replace("agency: county-fire, name: Alice", "agency: other, name: Alice"),
      "users.0.agency",
    ],
    [
      "a DID that is not E.164",
      valid.replace("+15551230001", "5551230001"),
      "trunks.0.inbound.0.did: must be an E.164 number",
    ],
    [
      "an address without port",
      valid.replace("127.0.0.1:32001", "127.0.0.1"),
      "radioChannels.0.listen: must be host:port",
    ],
    ["a number out of range", valid.replace("60000", "5"), "talkGroups.0.maxTalkMs"],
    ["an id with spaces", valid.replace("id: alice", "id: 'al ice'"), "users.0.id"],
    ["text that is not YAML", "a: [", "not YAML"],
    ["a list at the top", "- 1", "provisioning is invalid"],
  ])("refuses %s and names the field", (_title, text, problem) => {
    expect(problemOf(text)).toContain(problem);
  });

  it("refuses a user and a group of one name, which would share a SIP address", () => {
    expect(problemOf(valid.replaceAll("fire-1", "alice"))).toContain("is also a user");
  });

  it("refuses the same id twice", () => {
    expect(problemOf("agencies: [{ id: a, name: A }, { id: a, name: B }]")).toContain(
      "agencies.1.id: appears twice: a",
    );
  });

  it("keeps of a password what RFC 7616 §3.9.1 computes from it", () => {
    const { md5, sha256 } = digestHashes("Mufasa", "http-auth@example.org", "Circle of Life");
    expect(md5).toBe("3d78807defe7de2157e2b0b6573a855f");
    expect(sha256).toBe("7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232");
  });
});
