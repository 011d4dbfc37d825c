import { describe, expect, it } from "vitest";
import type { Trusted } from "#signaling/sip-port/conduct.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { createSourceGuard, type Ban } from "./source-guard.ts";

const limits = { messagesPerSecond: 8, banMs: 5_000, neverBanned: new Set(["192.0.2.9"]) };
const udp = (host: string, port = 5_060): Flow => ({ transport: "udp", host, port });
const tcp = (host: string): Flow => ({
  transport: "tcp",
  host,
  port: 40_000,
  instance: "one",
  connection: "c",
});

function guardAt(startMs = 60_000) {
  let nowMs = startMs;
  const bans: Ban[] = [];
  const guard = createSourceGuard({ now: () => nowMs }, limits, (ban) => bans.push(ban));
  const offend = (flow: Flow, times = 101) => {
    for (let i = 0; i < times; i++) guard.offended(flow, "malformed", "");
  };
  const admitted = (flow: Flow, count = 10) =>
    Array.from({ length: count }, () => guard.admit(flow)).filter((verdict) => verdict === "read").length;
  return { guard, bans, offend, admitted, pass: (ms: number) => (nowMs += ms) };
}

describe("messages of one address", () => {
  it("are read up to a number a second, and again in the next", () => {
    const { guard, admitted, pass } = guardAt();
    expect(admitted(udp("192.0.2.1"))).toBe(8);
    expect(guard.admit(udp("192.0.2.1"))).toBe("rate-limited");
    expect(guard.admit(udp("192.0.2.2"))).toBe("read");
    pass(1_000);
    expect(guard.admit(udp("192.0.2.1"))).toBe("read");
  });
});

describe("a ban", () => {
  it("comes with garbage over a connection, shuts the address out, and ends", () => {
    const { guard, offend, pass, bans } = guardAt();
    offend(tcp("192.0.2.1"));
    expect(guard.admit(tcp("192.0.2.1"))).toBe("banned");
    expect(guard.mayConnect("192.0.2.1")).toBe(false);
    expect(guard.mayConnect("192.0.2.2")).toBe(true);
    expect(bans).toEqual([{ host: "192.0.2.1", untilMs: 65_000, offence: "malformed", proven: true }]);
    pass(5_000);
    expect(guard.admit(tcp("192.0.2.1"))).toBe("read");
    expect(guard.mayConnect("192.0.2.1")).toBe(true);
  });

  it("forgives what is spread over minutes", () => {
    const { guard, offend, pass } = guardAt();
    for (let i = 0; i < 5; i++) {
      offend(tcp("192.0.2.1"), 60);
      pass(60_000);
    }
    expect(guard.admit(tcp("192.0.2.1"))).toBe("read");
  });

  it("counts a name once: a phone with an old password is none, a guesser of many names is", () => {
    const { guard } = guardAt();
    for (let i = 0; i < 500; i++) guard.offended(tcp("192.0.2.1"), "wrong-password", "alice");
    expect(guard.admit(tcp("192.0.2.1"))).toBe("read");
    for (let i = 0; i < 26; i++) guard.offended(tcp("192.0.2.1"), "wrong-password", `user${i}`);
    expect(guard.admit(tcp("192.0.2.1"))).toBe("banned");
  });

  it("spares an office: many phones behind one address, each asking for itself", () => {
    const { guard } = guardAt();
    for (let i = 0; i < 60; i++) guard.offended(udp("192.0.2.1", 30_000 + i), "sweep", `user${i}`);
    expect(guard.admit(udp("192.0.2.1"))).toBe("read");
    expect(guard.bans).toEqual([]);
  });

  it("comes at once for a scanner that says what it is", () => {
    const { guard } = guardAt();
    guard.offended(tcp("192.0.2.1"), "scanner", "");
    expect(guard.admit(tcp("192.0.2.1"))).toBe("banned");
  });

  it("spares addresses that are never banned", () => {
    const { guard, offend } = guardAt();
    offend(tcp("192.0.2.9"));
    expect(guard.admit(tcp("192.0.2.9"))).toBe("read");
  });
});

describe("a ban that somebody else's packets brought (UDP, source address forged)", () => {
  it("leaves a registered phone at that address as it was", () => {
    const { guard, offend, admitted } = guardAt();
    guard.proved(udp("192.0.2.1", 5_062));
    offend(udp("192.0.2.1", 666));
    expect(admitted(udp("192.0.2.1", 5_062), 8)).toBe(8);
  });

  it("lets an unregistered phone through slowly, so that it can register", () => {
    const { guard, offend, admitted, pass } = guardAt();
    offend(udp("192.0.2.1", 666));
    expect(admitted(udp("192.0.2.1", 5_062))).toBe(5);
    pass(1_000);
    expect(admitted(udp("192.0.2.1", 5_062))).toBe(5);
    guard.proved(udp("192.0.2.1", 5_062));
    pass(1_000);
    expect(admitted(udp("192.0.2.1", 5_062))).toBe(8);
  });

  it("keeps nobody from connecting", () => {
    const { guard, offend } = guardAt();
    offend(udp("192.0.2.1"));
    expect(guard.mayConnect("192.0.2.1")).toBe(true);
  });
});

describe("a source that is trusted: a peer of a trunk", () => {
  function guardWithPeer() {
    const rig = guardAt();
    const told: string[] = [];
    const peer: Trusted = {
      messagesPerSecond: 12,
      offended: (offence) => told.push(offence),
      limited: () => told.push("limited"),
    };
    // One is known by its address, the other by its port too.
    const trust = () => {
      rig.guard.trust(({ host, port }) =>
        host === "192.0.2.7" || (host === "127.0.0.1" && port === 5_080) ? peer : undefined,
      );
    };
    return { ...rig, told, trust };
  }

  it("is not banned for garbage or a scanner's name: what it does is told", () => {
    const { guard, offend, bans, told, trust } = guardWithPeer();
    trust();
    offend(tcp("192.0.2.7"), 200);
    guard.offended(udp("192.0.2.7"), "scanner", "");
    expect(guard.admit(udp("192.0.2.7"))).toBe("read");
    expect(guard.mayConnect("192.0.2.7")).toBe(true);
    expect([bans, told.length, told.at(-1)]).toEqual([[], 201, "scanner"]);
  });

  it("has a limit of its own, and says when it is reached", () => {
    const { admitted, told, trust } = guardWithPeer();
    trust();
    expect(admitted(udp("192.0.2.7"), 14)).toBe(12);
    expect(told).toEqual(["limited", "limited"]);
    expect(admitted(udp("192.0.2.8"), 14)).toBe(8);
  });

  it("is known by its port where others have its address, and does not speak for them", () => {
    const { guard, offend, trust } = guardWithPeer();
    trust();
    offend(tcp("127.0.0.1"));
    expect(guard.admit(udp("127.0.0.1", 5_080))).toBe("read");
    expect(guard.admit(tcp("127.0.0.1"))).toBe("banned");
    expect(guard.mayConnect("127.0.0.1")).toBe(false);
  });

  it("is let in again when it was banned before, here or in the cluster", () => {
    const { guard, offend, trust } = guardWithPeer();
    offend(tcp("192.0.2.7"));
    expect(guard.bans).toHaveLength(1);
    trust();
    expect([guard.bans, guard.admit(tcp("192.0.2.7"))]).toEqual([[], "read"]);
    guard.replaceBans([{ host: "192.0.2.7", untilMs: 90_000, offence: "scanner", proven: true }]);
    expect([guard.bans, guard.mayConnect("192.0.2.7")]).toEqual([[], true]);
  });

  it("is like any other once its trunk is gone", () => {
    const { guard, offend, trust } = guardWithPeer();
    trust();
    guard.trust(() => undefined);
    offend(tcp("192.0.2.7"));
    expect(guard.admit(tcp("192.0.2.7"))).toBe("banned");
  });
});

describe("the bans of the cluster", () => {
  const ban: Ban = { host: "192.0.2.5", untilMs: 90_000, offence: "scanner", proven: true };

  it("hold here too, and are lifted here when they are lifted there", () => {
    const { guard } = guardAt();
    guard.replaceBans([ban]);
    expect(guard.admit(tcp("192.0.2.5"))).toBe("banned");
    expect(guard.bans).toEqual([ban]);
    guard.replaceBans([]);
    expect(guard.admit(tcp("192.0.2.5"))).toBe("read");
    expect(guard.bans).toEqual([]);
  });
});
