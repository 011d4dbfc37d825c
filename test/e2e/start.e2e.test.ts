import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startCrossband, type RunningCrossband } from "#test/peers/crossband/start-crossband.ts";
import { createPhone } from "#test/peers/sip-phone/phone.ts";
import { rmsDb } from "#test/peers/audio/measures.ts";

let crossband: RunningCrossband;

beforeAll(async () => {
  crossband = await startCrossband();
});
afterAll(async () => {
  await crossband.end();
});

describe("crossband up with an empty home", () => {
  it("writes ready.json as the contract says", () => {
    const { ready } = crossband;
    expect(ready).toMatchObject({ region: "local", domain: "crossband.local" });
    expect(ready.sip.udp).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(ready.sip.tcp).toBe(ready.sip.udp);
    expect(ready.sip.tls).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(ready.sip.ws).toMatch(/^ws:\/\/127\.0\.0\.1:\d+\/sip$/);
    expect(ready.http).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(ready.redis).toMatch(/^redis:\/\/127\.0\.0\.1:\d+$/);
    expect(ready.rtp[1] - ready.rtp[0]).toBe(399);
    expect(ready.drachtio).toHaveLength(2);
    expect(ready.talkGroups).toHaveLength(4);
    expect(ready.radioChannels).toMatchObject([{ id: "engine-5", protocol: "usrp" }]);
    expect(ready.processes.map(({ role }) => role).sort()).toEqual([
      "api",
      "media",
      "radio-bridge",
      "signaling",
      "signaling",
    ]);
    for (const { pid } of ready.processes) expect(() => process.kill(pid, 0)).not.toThrow();
  });

  it("prints the console's address and every user with its password", () => {
    const text = crossband.output();
    expect(text).toContain(`${crossband.ready.http}/`);
    for (const { id, password } of crossband.ready.users) {
      expect(text).toMatch(new RegExp(`${id} +${password}`));
      expect(password).toMatch(/^[A-Za-z0-9]{16}$/);
    }
  });

  it("logs the configuration in effect without secrets", () => {
    const line =
      crossband
        .output()
        .split("\n")
        .find((each) => each.includes('"role":"signaling"') && each.includes('"config"')) ?? "{}";
    const { config } = JSON.parse(line) as { config: { redisUrl: string; drachtio: { secret: string } } };
    expect(config.redisUrl).toBe("[secret]");
    expect(config.drachtio.secret).toBe("[secret]");
  });

  it("is healthy, serves the console, and measures every process", async () => {
    const get = async (path: string) => fetch(`${crossband.ready.http}${path}`);
    expect((await get("/healthz")).status).toBe(200);
    expect((await get("/readyz")).status).toBe(200);
    expect(await (await get("/")).text()).toContain("<title>Crossband");
    expect((await (await get("/openapi.json")).json()) as object).toHaveProperty("openapi");
    const metrics = await (await get("/metrics")).text();
    for (const role of ["signaling", "media", "radio-bridge", "api"])
      expect(metrics).toContain(`role="${role}"`);
  });

  it("lets a newcomer hear somebody within a minute", async () => {
    const { id, password } = crossband.ready.users[0] ?? { id: "", password: "" };
    const phone = await createPhone({
      server: crossband.ready.sip.udp,
      domain: crossband.ready.domain,
      user: id,
      password,
    });
    await phone.register();
    const call = await phone.call("fire-1");
    const heard = await call.heard.until((samples) => rmsDb(samples.subarray(-8_000)) > -40, {
      what: "the demo's radio",
      deadlineMs: 55_000,
    });
    expect(rmsDb(heard)).toBeGreaterThan(-60);
    await call.hangup();
    phone.close();
  });

  it("restarts a process that dies and rewrites ready.json", async () => {
    const victim = crossband.reread().processes.find(({ role }) => role === "radio-bridge");
    if (!victim) throw new Error("no radio bridge");
    process.kill(victim.pid, "SIGKILL");
    const ready = await crossband.until(
      ({ processes }) => processes.length === 5 && !processes.some(({ pid }) => pid === victim.pid),
      15_000,
    );
    expect(ready.processes.filter(({ role }) => role === "radio-bridge")).toHaveLength(1);
  });

  it("refuses a second start in the same home and says which process has it", async () => {
    await expect(
      startCrossband({ env: { CROSSBAND_HOME: crossband.home }, limitMs: 10_000 }),
    ).rejects.toThrow(`already runs in ${crossband.home} (process ${crossband.pid})`);
  });

  it("stops everything on SIGTERM and exits 0", async () => {
    const { processes } = crossband.reread();
    const redisPid = Number(readFileSync(`${crossband.home}/redis/redis.pid`, "utf8"));
    expect(await crossband.stop()).toBe(0);
    for (const pid of [...processes.map(({ pid }) => pid), redisPid])
      expect(() => process.kill(pid, 0)).toThrow();
  });
});
