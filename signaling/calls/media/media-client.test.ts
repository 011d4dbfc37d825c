import { describe, expect, it } from "vitest";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import { silent } from "#common/log.ts";
import type { RpcRequest } from "#state/rpc/rpc.ts";
import { createMediaClient, refusalOf } from "./media-client.ts";

const refused = (code: string, context: Record<string, unknown> = {}) =>
  new CrossbandError(ErrorCode.RpcRefused, "no", { code, ...context });
const remove = (leg: string) => ({ op: "delete", leg, group: "fire-1" }) as const;
type Answer = (instance: string, request: RpcRequest) => Promise<unknown>;

function start(answer: Answer, places: (string | undefined)[] = ["m1"]) {
  const calls: string[] = [];
  const rpc = {
    tell(instance: string, request: RpcRequest) {
      calls.push(`tell ${instance} ${request.method} ${request.path}`);
      return Promise.resolve();
    },
    call(instance: string, request: RpcRequest) {
      calls.push(`${instance} ${request.method} ${request.path}`);
      return answer(instance, request);
    },
  };
  let placed = 0;
  const place = () => Promise.resolve(places[Math.min(placed++, places.length - 1)]);
  return { calls, media: createMediaClient(rpc, place, silent) };
}

describe("media client", () => {
  it.each([
    ["SDP_INVALID", {}, { status: 400 }],
    ["SDP_NOT_ACCEPTABLE", { warning: "no common codec" }, { status: 488, warning: "no common codec" }],
    ["PORTS_EXHAUSTED", {}, { status: 503, retryAfterS: 5 }],
    ["WORKER_UNAVAILABLE", {}, { status: 503, retryAfterS: 5 }],
    ["SOMETHING_ELSE", {}, { status: 500 }],
  ])("tells the peer of %s", (code, context, refusal) => {
    expect(refusalOf(refused(code, context))).toEqual(refusal);
  });

  it("asks again where the group is placed then, when the first instance is dead", async () => {
    const { calls, media } = start(
      (instance) =>
        instance === "m1"
          ? Promise.reject(new CrossbandError(ErrorCode.RpcTimeout, "late"))
          : Promise.resolve({}),
      ["m1", "m2"],
    );
    expect(await media.run(remove("a.0"))).toEqual({ outcome: "done", answer: {}, by: "m2" });
    expect(calls).toEqual(["m1 DELETE /legs/a.0", "m2 DELETE /legs/a.0"]);
  });

  it("does not ask again when the answer was no", async () => {
    const { calls, media } = start(() => Promise.reject(refused("SDP_INVALID")));
    expect(await media.run(remove("a.0"))).toMatchObject({ outcome: "refused" });
    expect(calls).toHaveLength(1);
  });

  it("tells the process that has a leg to remove it, and waits for no answer", async () => {
    const { calls, media } = start(() => new Promise(() => undefined));
    await media.dismiss("a.0", "m7");
    expect(calls).toEqual(["tell m7 DELETE /legs/a.0"]);
  });

  it("says unreachable after two tries, and when no instance is alive", async () => {
    const dead = start(() => Promise.reject(new Error("gone")));
    expect(await dead.media.run(remove("a.0"))).toEqual({ outcome: "unreachable" });
    expect(dead.calls).toHaveLength(2);
    expect(await start(() => Promise.resolve({}), [undefined]).media.run(remove("a.0"))).toEqual({
      outcome: "unreachable",
    });
  });

  it("sends a leg's requests one after the other, and other legs' meanwhile", async () => {
    const order: string[] = [];
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { media } = start(async (_instance, { method, path }) => {
      if (method === "PUT") await held;
      order.push(`${method} ${path}`);
      return {};
    });
    const member = { id: "alice", name: "Alice", kind: "phone", priority: 5 } as const;
    const group = {
      id: "fire-1",
      name: "F",
      mode: "half-duplex",
      maxTalkMs: 1,
      hangMs: 1,
      queue: false,
      phonePtt: "dtmf",
    } as const;
    const put = media.run({
      op: "put",
      leg: "a.0",
      body: { revision: 1, group, member, description: { type: "none", webrtc: false } },
    });
    const gone = media.run(remove("a.0"));
    await media.run(remove("b.0"));
    release();
    await Promise.all([put, gone]);
    expect(order).toEqual(["DELETE /legs/b.0", "PUT /legs/a.0", "DELETE /legs/a.0"]);
  });
});
