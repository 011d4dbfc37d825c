import { createSocket } from "node:dgram";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { freeUdpRange } from "#test/setup/free-ports.ts";
import { audioCodecLines, videoCodecLines } from "./sdp/profile.ts";
import { startWorker, type MediaWorker } from "./worker.ts";

const workers: MediaWorker[] = [];

async function start(ports: number[]): Promise<MediaWorker> {
  const worker = await startWorker({
    log: silent,
    host: "127.0.0.1",
    announced: "127.0.0.1",
    takePort: () => ports.shift() ?? 0,
  });
  workers.push(worker);
  return worker;
}

afterEach(() => {
  delete process.env["MEDIASOUP_WORKER_BIN"];
  for (const worker of workers.splice(0)) worker.close();
});

describe("the media worker", () => {
  it("numbers payload types and header extensions as our descriptions do", async () => {
    const { router } = await start([await freeUdpRange(2)]);
    const { codecs = [], headerExtensions = [] } = router.rtpCapabilities;
    for (const [kind, lines] of [["audio", audioCodecLines] as const, ["video", videoCodecLines] as const]) {
      expect(
        codecs.filter((codec) => codec.kind === kind).map((codec) => codec.preferredPayloadType),
      ).toEqual(lines.payloadTypes);
      for (const { id, uri } of lines.extensions)
        expect(headerExtensions).toContainEqual(expect.objectContaining({ kind, uri, preferredId: id }));
    }
  });

  it("takes the next port when another program has its own", async () => {
    const other = createSocket("udp4").bind(0, "127.0.0.1");
    await once(other, "listening");
    const free = await freeUdpRange(2);
    const { server } = await start([other.address().port, free]);
    expect((await server.dump()).udpSockets).toEqual([{ ip: "127.0.0.1", port: free }]);
    other.close();
  });

  it("that is missing is unavailable, and the message says which program", async () => {
    process.env["MEDIASOUP_WORKER_BIN"] = "/nonexistent/mediasoup-worker";
    await expect(start([])).rejects.toMatchObject({
      code: "WORKER_UNAVAILABLE",
      context: { workerBin: "/nonexistent/mediasoup-worker" },
    });
  });

  it("that never answers, as one of another release, is unavailable after the limit", async () => {
    const dir = mkdtempSync(join(tmpdir(), "worker-"));
    const program = join(dir, "mediasoup-worker");
    writeFileSync(program, "#!/bin/sh\nexec sleep 7\n");
    chmodSync(program, 0o755);
    process.env["MEDIASOUP_WORKER_BIN"] = program;
    await expect(start([])).rejects.toMatchObject({ code: "WORKER_UNAVAILABLE" });
    rmSync(dir, { recursive: true });
  });
});
