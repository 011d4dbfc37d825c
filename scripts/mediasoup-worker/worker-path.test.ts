import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { mediasoupVersion, workerPath } from "./worker-path.mjs";

describe("path of the mediasoup worker", () => {
  it("is what MEDIASOUP_WORKER_BIN says", () => {
    expect(workerPath({ MEDIASOUP_WORKER_BIN: "/opt/mine", XDG_CACHE_HOME: "/cache" })).toBe("/opt/mine");
  });

  it("is in the cache folder, keyed by version, platform and recipe", () => {
    const path = workerPath({ XDG_CACHE_HOME: "/cache" });
    expect(path).toMatch(
      /^\/cache\/crossband\/mediasoup-worker-[\d.]+-[a-z0-9._-]+-[0-9a-f]{12}\/mediasoup-worker$/,
    );
    expect(path).toContain(`-${mediasoupVersion()}-${process.platform}-${process.arch}`);
  });

  it("is under ~/.cache without XDG_CACHE_HOME", () => {
    expect(workerPath({})).toContain("/.cache/crossband/");
  });

  it("is for the version that is installed", () => {
    const { version } = JSON.parse(readFileSync("node_modules/mediasoup/package.json", "utf8")) as {
      version: string;
    };
    expect(mediasoupVersion()).toBe(version);
  });
});
