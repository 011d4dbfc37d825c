import { defineConfig } from "vitest/config";

/** Files that need a server say so in their name, and run in the project of that name. */
const needsServer = ["**/*.redis.test.ts", "**/*.sip.test.ts", "**/*.e2e.test.ts"];
const exclude = ["**/node_modules/**", "**/dist/**", "**/.crossband/**"];

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["**/*.test.{ts,tsx}"], exclude: [...exclude, ...needsServer] } },
      {
        test: {
          name: "redis",
          include: ["**/*.redis.test.ts"],
          exclude,
          globalSetup: ["test/setup/redis-server.ts"],
        },
      },
      {
        test: {
          name: "sip",
          include: ["**/*.sip.test.ts"],
          exclude,
          fileParallelism: false,
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["**/*.e2e.test.ts"],
          exclude,
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
