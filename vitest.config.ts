import { availableParallelism } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { cacheHome } from "./scripts/mediasoup-worker/worker-path.mjs";

/** Files that need a server say so in their name, and run in the project of that name. */
const needsServer = ["**/*.redis.test.ts", "**/*.sip.test.ts", "**/*.e2e.test.ts"];
const exclude = ["**/node_modules/**", "**/dist/**", "**/.crossband/**"];

/** Programs that tests start, again and again, keep their compiled code, as those of `npm start` do. */
const env = { NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? join(cacheHome(), "compiled") };

/** How long a test waits for what must come: long, for a machine that is busy. What must come soon says so itself. */
const expect = { poll: { timeout: 10_000, interval: 20 } };

const cores = availableParallelism();
/** Tests with servers of their own mostly wait for them, so that two files share two cores well. `test/setup/free-ports.ts` knows four. */
const sideBySide = Math.max(2, Math.min(4, cores));

export default defineConfig({
  test: {
    env,
    expect,
    projects: [
      {
        test: {
          name: "unit",
          include: ["**/*.test.{ts,tsx}"],
          exclude: [...exclude, ...needsServer],
          maxWorkers: cores,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "redis",
          include: ["**/*.redis.test.ts"],
          exclude,
          globalSetup: ["test/setup/redis-server.ts"],
          maxWorkers: sideBySide,
          sequence: { groupOrder: 2 },
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: "sip",
          include: ["**/*.sip.test.ts"],
          exclude,
          maxWorkers: sideBySide,
          sequence: { groupOrder: 3 },
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["**/*.e2e.test.ts"],
          exclude,
          globalSetup: ["test/setup/built-console.ts"],
          // A whole system, browsers and real-time audio need the machine for themselves.
          fileParallelism: false,
          sequence: { groupOrder: 4 },
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
