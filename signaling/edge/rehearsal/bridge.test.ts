import { expect, it } from "vitest";
import { silent } from "#common/log.ts";
import { bridge } from "./bridge.ts";
import { CALLEE } from "./rehearsed-call.ts";
import { rehearse } from "./rehearse.ts";

it("takes every rehearsed call all the way, for a server that has no call control of its own", async () => {
  const rehearsal = await rehearse(() => bridge(CALLEE), silent, { calls: 12, limitMs: 30_000 });
  expect(rehearsal).toMatchObject({ completed: 12, details: 12 });
});
