import { describe, expect, it } from "vitest";
import type { LegRequest } from "#common/media-control.ts";
import { halfDuplex } from "#media/testing/policies.ts";
import { readMediaRequest } from "./media-request.ts";

const request: LegRequest = {
  revision: 1,
  group: halfDuplex("fire-1"),
  member: { id: "alice", name: "Alice", kind: "phone", priority: 5 },
  description: { type: "none", webrtc: false },
};
const press = { group: "fire-1", leg: "a.0", hold: "1", action: "request" } as const;

describe("a request to a media process", () => {
  it.each([
    ["PUT", "/legs/a.0", request, { do: "put-leg", leg: "a.0", request }],
    ["PUT", "/legs/radio.engine%205", request, { do: "put-leg", leg: "radio.engine 5", request }],
    ["DELETE", "/legs/a.0", null, { do: "delete-leg", leg: "a.0" }],
    ["POST", "/legs/a.0/digits", { digit: "*" }, { do: "digit", leg: "a.0", digit: "*" }],
    ["POST", "/floor", press, { do: "floor", request: press }],
    ["GET", "/groups/fire-1", null, { do: "snapshot", group: "fire-1" }],
  ] as const)("%s %s is understood", (method, path, body, command) => {
    expect(readMediaRequest({ method, path, body })).toEqual(command);
  });

  it.each([
    ["GET", "/legs/a.0", null],
    ["PUT", "/legs/", request],
    ["PUT", "/legs/%E0%A4%A", request],
    ["PUT", "/legs/a.0", null],
    ["PUT", "/legs/a.0", { ...request, revision: "one" }],
    ["PUT", "/legs/a.0", { ...request, description: { type: "rtp", host: "127.0.0.1" } }],
    ["POST", "/legs/a.0/digits", { digit: "12" }],
    ["POST", "/floor", { ...press, hold: "" }],
    ["POST", "/floor", { ...press, action: "grab" }],
  ] as const)("%s %s with a wrong path or body is refused: %j", (method, path, body) => {
    expect(() => readMediaRequest({ method, path, body })).toThrow(
      expect.objectContaining({ code: "RPC_REFUSED" }),
    );
  });

  it("is refused with the name of the field that is wrong", () => {
    const body = { ...request, member: { ...request.member, priority: "high" } };
    expect(() => readMediaRequest({ method: "PUT", path: "/legs/a", body })).toThrow(/priority/);
  });
});
