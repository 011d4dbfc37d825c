import { describe, expect, it } from "vitest";
import { redisErrorKind } from "./error-kind.ts";

describe("kinds of Redis errors", () => {
  it.each([
    ["Command timed out", "timeout"],
    ["READONLY You can't write against a read only replica.", "read-only"],
    ["OOM command not allowed when used memory > 'maxmemory'.", "out-of-memory"],
    ["LOADING Redis is loading the dataset in memory", "loading"],
    ["Connection is closed.", "connection"],
    ["Reached the max retries per request limit (which is 1).", "connection"],
    ["connect ECONNREFUSED 127.0.0.1:6379", "connection"],
    ["ERR unknown command", "other"],
  ])("%s is %s", (message, kind) => {
    expect(redisErrorKind(new Error(message))).toBe(kind);
  });
});
