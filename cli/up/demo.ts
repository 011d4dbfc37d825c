import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createSocket } from "node:dgram";
import { join } from "node:path";
import { stringify } from "yaml";
import { parseProvision } from "#state/directory/directory.ts";
import type { Provision } from "#state/directory/provision.ts";

/** The demo's radio channel: a simulated handheld answers on it. */
export const DEMO_CHANNEL = "engine-5";

/**
 * The demo provisioning: two agencies, four groups, a radio. Made once, with random passwords, and kept in `<home>/demo.yaml`
 * so that people keep their passwords over restarts.
 */
export async function demoProvision(home: string): Promise<Provision> {
  const file = join(home, "demo.yaml");
  if (!existsSync(file)) {
    const [listen, remote] = [await freeUdpPort(), await freeUdpPort()];
    writeFileSync(file, stringify(demo(`127.0.0.1:${listen}`, `127.0.0.1:${remote}`)), { mode: 0o600 });
  }
  return parseProvision(readFileSync(file, "utf8"));
}

function demo(listen: string, remote: string) {
  const user = (id: string, agency: string, name: string, priority = 5) => ({
    id,
    agency,
    name,
    password: randomPassword(),
    priority,
  });
  return {
    domain: "crossband.local",
    agencies: [
      { id: "county-fire", name: "County Fire" },
      { id: "city-police", name: "City Police" },
    ],
    users: [
      user("alice", "county-fire", "Alice Rivera"),
      user("bob", "county-fire", "Bob Okafor"),
      user("chief", "county-fire", "Chief Dana Lund", 8),
      user("carol", "city-police", "Carol Jansen"),
      user("dave", "city-police", "Dave Moreau"),
    ],
    talkGroups: [
      {
        id: "fire-1",
        agency: "county-fire",
        name: "Fire Dispatch 1",
        mode: "half-duplex",
        members: ["alice", "bob", "chief", "carol", DEMO_CHANNEL],
        queue: true,
      },
      {
        id: "fire-command",
        agency: "county-fire",
        name: "Fire Command",
        mode: "full-duplex",
        members: ["alice", "bob", "chief"],
      },
      {
        id: "police-1",
        agency: "city-police",
        name: "Police Dispatch 1",
        mode: "half-duplex",
        members: ["carol", "dave"],
        queue: true,
      },
      {
        id: "joint-incident",
        agency: "county-fire",
        name: "Joint Incident",
        mode: "full-duplex",
        members: ["alice", "bob", "chief", "carol", "dave"],
      },
    ],
    radioChannels: [
      {
        id: DEMO_CHANNEL,
        agency: "county-fire",
        name: "Engine 5",
        talkGroup: "fire-1",
        protocol: "usrp",
        listen,
        remote,
      },
    ],
  };
}

/** 16 characters without look-alikes, 90 bits. */
function randomPassword(): string {
  const letters = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
  return Array.from(randomBytes(64))
    .filter((byte) => byte < letters.length * 4)
    .slice(0, 16)
    .map((byte) => letters[byte % letters.length])
    .join("");
}

function freeUdpPort(): Promise<number> {
  return new Promise((done, fail) => {
    const socket = createSocket("udp4");
    socket.once("error", fail);
    socket.bind(0, "127.0.0.1", () => {
      const { port } = socket.address();
      socket.close(() => {
        done(port);
      });
    });
  });
}
