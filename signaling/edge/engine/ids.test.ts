import { describe, expect, it } from "vitest";
import { bucketOfTag } from "#state/redis/bucket.ts";
import {
  branchOf,
  callIdOf,
  isCallId,
  legIdOf,
  legOfTxn,
  newCallId,
  parseBranch,
  parseLegId,
  serverTxnId,
} from "./ids.ts";

const call = callIdOf("secret", "INVITE", "z9hG4bK1|10.0.0.1:5060");

describe("ids that name their record", () => {
  it("are the same for the same branch and sent-by at every instance", () => {
    expect(callIdOf("secret", "INVITE", "z9hG4bK1|10.0.0.1:5060")).toBe(call);
  });

  it.each([
    ["another secret", "other", "INVITE", "z9hG4bK1|10.0.0.1:5060"],
    ["another method", "secret", "MESSAGE", "z9hG4bK1|10.0.0.1:5060"],
    ["another sent-by", "secret", "INVITE", "z9hG4bK1|10.0.0.2:5060"],
  ])("differ for %s", (_what, secret, method, key) => {
    expect(callIdOf(secret, method, key)).not.toBe(call);
  });

  it("begin with their bucket and hold lower case and digits only", () => {
    expect(call).toMatch(/^[0-9a-z]{26}$/);
    expect(bucketOfTag(call)).toBeDefined();
    expect(isCallId(newCallId())).toBe(true);
  });

  it("lead back from leg, branch and transaction", () => {
    const leg = legIdOf(call, 3);
    expect(parseLegId(leg)).toEqual({ call, number: 3 });
    expect(parseBranch(branchOf(leg, 7))).toEqual({ call, number: 3, leg, seq: 7 });
    expect(legOfTxn(serverTxnId(leg, 2))).toBe(leg);
  });

  it.each([
    "",
    "abc",
    call,
    `${call}.`,
    `${call}.x`,
    `${call}.12345`,
    `zz${call.slice(2)}.0`,
    `${call}.0\r\n`,
    `${"a".repeat(200)}.0`,
  ])("are not seen in %j", (tag) => {
    expect(parseLegId(tag)).toBeUndefined();
  });

  it.each([undefined, "", "z9hG4bK", "z9hG4bKabc-1", `z9hG4bK${call}.0`, `z9hG4bK${call}.0-x`])(
    "are no branch of ours in %j",
    (branch) => {
      expect(parseBranch(branch)).toBeUndefined();
    },
  );
});
