import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { PATCHES, listSources } from "./recipe.mjs";

const workerDir = join(process.cwd(), "node_modules/mediasoup/worker");

describe("recipe of the mediasoup worker", () => {
  const sources = listSources(workerDir);

  it("lists sources that are all in the npm package, each once", () => {
    expect(sources.filter((file) => !existsSync(join(workerDir, file)))).toEqual([]);
    expect(new Set(sources).size).toBe(sources.length);
  });

  it.each(["src/main.cpp", "src/RTC/DtlsTransport.cpp", "src/DepLibWebRTC.cpp"])("includes %s", (file) => {
    expect(sources).toContain(file);
  });

  it("includes the bandwidth estimation of libwebrtc", () => {
    expect(
      sources.some(
        (file) => file.startsWith("deps/libwebrtc/") && file.endsWith("goog_cc_network_control.cc"),
      ),
    ).toBe(true);
  });

  it("leaves tests, mocks and fuzzers out", () => {
    expect(sources.filter((file) => /^(test|mocks|fuzzer)\//.test(file))).toEqual([]);
  });

  it.each(PATCHES)("patches $file in exactly one place", ({ file, from }) => {
    expect(readFileSync(join(workerDir, file), "utf8").split(from)).toHaveLength(2);
  });
});
