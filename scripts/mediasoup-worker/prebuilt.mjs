// The worker as mediasoup publishes it. It brings its own libraries, so it runs wherever its libc does.
import { createWriteStream, existsSync, mkdirSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { runQuietly } from "../setup/step.mjs";

/** Time to connect and get the first byte; then time for the whole file. */
const ANSWER_MS = 10_000;
const DOWNLOAD_MS = 120_000;

/**
 * Downloads into `dir`. Never throws: out of reach is an ordinary case.
 *
 * @returns the binary's path, or the reason why there is none
 */
export async function downloadPrebuilt(packageDir, dir) {
  const url = prebuiltUrl(packageDir);
  const controller = new AbortController();
  let limit = setTimeout(() => controller.abort(), ANSWER_MS);
  try {
    const response = await fetch(url, { signal: controller.signal });
    if (!response.ok) return { reason: `the download answered ${response.status}` };
    clearTimeout(limit);
    limit = setTimeout(() => controller.abort(), DOWNLOAD_MS);
    mkdirSync(dir, { recursive: true });
    const archive = join(dir, "worker.tgz");
    await pipeline(Readable.fromWeb(response.body), createWriteStream(archive));
    const { code } = await runQuietly("tar", ["-xzf", archive, "-C", dir]);
    const binary = join(dir, "mediasoup-worker");
    return code === 0 && existsSync(binary)
      ? { binary }
      : { reason: "the downloaded archive cannot be unpacked" };
  } catch (error) {
    return {
      reason: controller.signal.aborted
        ? "the download does not answer"
        : (error.cause?.code ?? error.message),
    };
  } finally {
    clearTimeout(limit);
  }
}

/** The same address that mediasoup's install script uses, and the same variable to change it. */
function prebuiltUrl(packageDir) {
  const pkg = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8"));
  const repository = pkg.repository.url.replace(/^git\+/, "").replace(/\.git$/, "");
  const base = process.env.MEDIASOUP_WORKER_PREBUILT_DOWNLOAD_BASE_URL || `${repository}/releases/download`;
  const kernel = process.platform === "linux" ? `-kernel${release().split(".")[0]}` : "";
  return `${base}/${pkg.version}/mediasoup-worker-${pkg.version}-${process.platform}-${process.arch}${kernel}.tgz`;
}
