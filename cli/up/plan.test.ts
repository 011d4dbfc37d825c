import { describe, expect, it } from "vitest";
import { configSchema } from "#common/config.ts";
import { planProcesses } from "./plan.ts";

const plan = (settings: object) =>
  planProcesses(configSchema.parse(settings), "redis://127.0.0.1:1", "/worker");

describe("planProcesses", () => {
  it("starts two signaling processes, one media, one radio bridge and one api by default", () => {
    expect(plan({}).map(({ name }) => name)).toEqual([
      "media-1",
      "signaling-1",
      "signaling-2",
      "radio-bridge-1",
      "api-1",
    ]);
  });

  it("counts the drachtio port up by process", () => {
    const ports = plan({ drachtio: { port: 9_100 }, processes: { signaling: 3 } })
      .filter(({ role }) => role === "signaling")
      .map(({ environment }) => environment["CROSSBAND_DRACHTIO_PORT"]);
    expect(ports).toEqual(["9100", "9101", "9102"]);
  });

  it("gives media processes shares of the RTP range that do not overlap and start even", () => {
    const shares = plan({ media: { ports: "20000-20009" }, processes: { media: 2 } })
      .filter(({ role }) => role === "media")
      .map(({ environment }) => environment["CROSSBAND_RTP_PORTS"]);
    expect(shares).toEqual(["20000-20003", "20004-20009"]);
  });
});
