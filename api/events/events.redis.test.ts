import { once } from "node:events";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { CloseCode } from "#common/console-link.ts";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { FloorRequest, GroupEvent, GroupSnapshot } from "#common/media-control.ts";
import { groupChannel } from "#state/talk-group/talk-group.keys.ts";
import { startTestApi, type TestApi } from "../testing/start-test-api.ts";
import { openTestConsole } from "../testing/test-console.ts";

let api: TestApi;
/** What the media process was asked, and what it answers. */
let asked: FloorRequest[] = [];
let onAsk: (request: FloorRequest) => void = () => undefined;
const snapshot = (): GroupSnapshot => ({
  group: api.group,
  floor: { state: "idle", seq: 1 },
  participants: [
    { leg: "leg-alice", id: api.alice, name: "Alice Rivera", kind: "browser", priority: 5, camera: false },
    { leg: "leg-radio", id: "engine-5", name: "Engine 5", kind: "radio", priority: 5, camera: false },
  ],
  talking: [],
});

beforeAll(async () => {
  api = await startTestApi(async ({ path, body }) => {
    await Promise.resolve();
    if (path.startsWith("/groups/")) return snapshot();
    const request = body as FloorRequest;
    asked.push(request);
    onAsk(request);
    if (request.hold === "broken") throw new CrossbandError(ErrorCode.WorkerUnavailable, "no worker");
    if (request.action === "release") return { outcome: "released", seq: 3 };
    return { outcome: "granted", seq: 2, untilMs: Date.now() + 3_000 };
  });
});
afterAll(() => api.stop());
beforeEach(() => {
  asked = [];
  onAsk = () => undefined;
});

const signedIn = async () => {
  const console = await openTestConsole(api.ws);
  console.send({ type: "hello", token: await api.signIn() });
  await console.next("welcome");
  return console;
};
const publish = (event: GroupEvent) => api.redis.publish(groupChannel(api.group), JSON.stringify(event));
const request = (hold: string, leg = "leg-alice") =>
  ({ type: "floor", group: api.group, leg, hold, action: "request" }) as const;

describe("event socket", () => {
  it("welcomes the user of the token and numbers its messages", async () => {
    const console = await openTestConsole(api.ws);
    console.send({ type: "hello", token: await api.signIn() });
    expect(await console.next("welcome")).toMatchObject({ seq: 0, user: api.alice });
    console.send({ type: "ping", id: 9 });
    expect(await console.next("pong")).toMatchObject({ seq: 1, id: 9 });
    await console.end();
  });

  it("starts a subscription with a snapshot and goes on with events", async () => {
    const console = await signedIn();
    console.send({ type: "subscribe", groups: [api.group] });
    expect((await console.next("snapshot")).snapshot).toEqual(snapshot());
    const event = { type: "talking", group: api.group, talking: ["leg-radio"] } as const;
    await publish(event);
    expect((await console.next("event")).event).toEqual(event);
    await console.end();
  });

  it("refuses groups that are unknown or that the user may not join", async () => {
    const console = await signedIn();
    console.send({ type: "subscribe", groups: [api.closed, "no-such"] });
    expect(await console.next("refused", ({ group }) => group === api.closed)).toMatchObject({
      cause: "not-allowed",
    });
    expect(await console.next("refused")).toMatchObject({ group: "no-such", cause: "unknown-group" });
    await console.end();
  });

  it("tells the result of a press to the user of that leg only", async () => {
    const console = await signedIn();
    console.send({ type: "subscribe", groups: [api.group] });
    await console.next("snapshot");
    const result = { type: "floor-result", group: api.group, hold: "h", result: "revoked", seq: 4 } as const;
    await publish({ ...result, leg: "leg-radio" });
    await publish({ ...result, leg: "leg-alice" });
    expect((await console.next("event")).event).toMatchObject({ leg: "leg-alice" });
    expect(console.rest()).toEqual([]);
    await console.end();
  });

  it("delivers a leg's video line-up although it came before the leg was listed", async () => {
    const console = await signedIn();
    console.send({ type: "subscribe", groups: [api.group] });
    await console.next("snapshot");
    await publish({ type: "video", group: api.group, leg: "leg-new", slots: [{ mid: "2" }] });
    const participants = [
      ...snapshot().participants,
      {
        leg: "leg-new",
        id: api.alice,
        name: "Alice Rivera",
        kind: "browser",
        priority: 5,
        camera: true,
      } as const,
    ];
    await publish({ type: "participants", group: api.group, participants });
    expect(await console.next("event", ({ event }) => event.type === "video")).toMatchObject({
      event: { leg: "leg-new" },
    });
    await console.end();
  });

  it("drops what is no event and goes on", async () => {
    const console = await signedIn();
    console.send({ type: "subscribe", groups: [api.group] });
    await console.next("snapshot");
    await api.redis.publish(groupChannel(api.group), "{not json");
    await publish({ type: "talking", group: api.group, talking: [] });
    await console.next("event");
    await console.end();
  });
});

describe("floor requests", () => {
  it("are asked of the group's media process and answered", async () => {
    const console = await signedIn();
    console.send(request("press-1"));
    expect(await console.next("floor-answer")).toMatchObject({
      hold: "press-1",
      action: "request",
      answer: { outcome: "granted" },
    });
    expect(asked).toEqual([{ group: api.group, leg: "leg-alice", hold: "press-1", action: "request" }]);
    await console.end();
  });

  it("for another's leg are refused and reach nobody", async () => {
    const console = await signedIn();
    console.send(request("press-2", "leg-radio"));
    expect((await console.next("floor-answer")).answer).toEqual({ outcome: "failed", cause: "not-joined" });
    expect(asked.filter(({ hold }) => hold === "press-2")).toEqual([]);
    await console.end();
  });

  it("that the media process cannot answer fail with a cause", async () => {
    const console = await signedIn();
    console.send(request("broken"));
    expect((await console.next("floor-answer")).answer).toEqual({ outcome: "failed", cause: "no-media" });
    await console.end();
  });

  it("give the floor back at once when the connection that holds it drops", async () => {
    const console = await signedIn();
    console.send(request("press-3"));
    await console.next("floor-answer");
    const released = new Promise<FloorRequest>((resolve) => {
      onAsk = resolve;
    });
    await console.end();
    expect(await released).toEqual({
      group: api.group,
      leg: "leg-alice",
      hold: "press-3",
      action: "release",
    });
  });
});

describe("limits of the event socket", () => {
  const rows: [title: string, text: string, code: number][] = [
    ["a first message that is not hello", '{"type":"ping","id":1}', CloseCode.BadMessage],
    ["text that is not JSON", "hello", CloseCode.BadMessage],
    ["a message of an unknown kind", '{"type":"reboot"}', CloseCode.BadMessage],
    ["a token of nobody", '{"type":"hello","token":"x"}', CloseCode.SignedOut],
    ["a message that is too large", " ".repeat(20_000), 1009],
  ];
  it.each(rows)("%s ends it with a code", async (_title, text, code) => {
    const console = await openTestConsole(api.ws);
    console.socket.send(text);
    expect((await console.closed).code).toBe(code);
  });

  it("more messages than a console sends end it", async () => {
    const console = await signedIn();
    for (let id = 0; id < 400; id++) console.send({ type: "ping", id });
    expect((await console.closed).code).toBe(CloseCode.TooFast);
  });

  it("an upgrade to any other path is answered 404", async () => {
    const response = new Promise((resolve) => {
      void import("ws").then(({ WebSocket }) => {
        const socket = new WebSocket(`${api.ws}/v1/elsewhere`);
        socket.on("error", () => undefined);
        socket.on("unexpected-response", (_request, answer) => {
          resolve(answer.statusCode);
        });
      });
    });
    expect(await response).toBe(404);
  });

  it("a server that goes away says so", async () => {
    const other = await startTestApi(() => Promise.resolve({}));
    const console = await openTestConsole(other.ws);
    const closed = once(console.socket, "close");
    await other.stop();
    expect((await closed)[0]).toBe(CloseCode.GoingAway);
  });
});
