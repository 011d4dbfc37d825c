import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { announceInstance } from "#state/instance/instance.ts";
import { ATTEMPTS_PER_USER } from "./routes/session.ts";
import { startTestApi, type TestApi } from "./testing/start-test-api.ts";

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi(({ path }) =>
    Promise.resolve(
      path.startsWith("/groups/")
        ? { group: api.group, floor: { state: "idle", seq: 7 }, participants: [], talking: [] }
        : {},
    ),
  );
});
afterAll(() => api.stop());

const ask = async (
  method: string,
  path: string,
  init: { body?: unknown; token?: string; type?: string; text?: string } = {},
) => {
  const response = await fetch(`${api.http}${path}`, {
    method,
    headers: {
      ...(init.body !== undefined || init.text !== undefined
        ? { "Content-Type": init.type ?? "application/json" }
        : {}),
      ...(init.token === undefined ? {} : { Authorization: `Bearer ${init.token}` }),
    },
    ...(init.body !== undefined || init.text !== undefined
      ? { body: init.text ?? JSON.stringify(init.body) }
      : {}),
  });
  const text = await response.text();
  const json = (
    (response.headers.get("content-type") ?? "").includes("json") ? JSON.parse(text) : {}
  ) as Record<string, unknown>;
  return { status: response.status, headers: response.headers, text, json };
};
const signIn = (user: string, password: string) => ask("POST", "/v1/session", { body: { user, password } });

describe("health", () => {
  it("answers /healthz whenever the process runs", async () => {
    expect((await ask("GET", "/healthz")).json).toEqual({ status: "ok" });
  });

  it("is ready only while signaling and media are alive, and names what is missing", async () => {
    const card = { pid: 1, listeners: {}, load: 0, draining: false };
    const before = await ask("GET", "/readyz");
    expect(before.status).toBe(503);
    expect(before.json["missing"]).toContain("no signaling process is alive");
    await announceInstance(api.redis, { ...card, role: "signaling", instance: `s-${api.unique}` });
    await announceInstance(api.redis, { ...card, role: "media", instance: `m-${api.unique}` });
    expect((await ask("GET", "/readyz")).status).toBe(200);
  });

  it("shows the metrics of every live process in /metrics, by role and instance", async () => {
    const process = createServer((_request, response) =>
      response.end("# HELP calls_total calls\n# TYPE calls_total counter\ncalls_total 3\n"),
    ).listen(0, "127.0.0.1");
    await once(process, "listening");
    const { port } = process.address() as AddressInfo;
    const instance = `measured-${api.unique}`;
    const card = { role: "media", instance, pid: 1, load: 0, draining: false } as const;
    await announceInstance(api.redis, { ...card, listeners: { metrics: `127.0.0.1:${port}` } });
    const { text, headers } = await ask("GET", "/metrics");
    process.close();
    expect(headers.get("content-type")).toContain("text/plain");
    expect(text).toContain(`calls_total{role="media",instance="${instance}"} 3`);
  });
});

describe("POST /v1/session", () => {
  it("opens a session with the user's card, domain and groups", async () => {
    const { status, json } = await signIn(api.alice, "correct horse");
    expect(status).toBe(201);
    expect(json).toMatchObject({
      user: { id: api.alice, name: "Alice Rivera", agency: { name: "County Fire" } },
      domain: "crossband.local",
      sip: "/sip",
      events: "/v1/events",
      groups: [{ id: api.group, name: "Fire Dispatch 1", mode: "half-duplex", queue: true }],
    });
    expect(json["token"]).toMatch(/^[\w-]{43}$/);
  });

  it("keeps only a hash of the token", async () => {
    const token = await api.signIn();
    const keys = await api.redis.keys("*:session:*");
    expect(keys.length).toBeGreaterThan(0);
    expect(keys.some((key) => key.includes(token))).toBe(false);
  });

  it("refuses a wrong password and an unknown user alike", async () => {
    const [wrong, unknown] = [await signIn(api.bob, "guess"), await signIn(`nobody-${api.unique}`, "guess")];
    expect([wrong.status, unknown.status]).toEqual([401, 401]);
    expect(wrong.json).toEqual(unknown.json);
    expect(wrong.headers.get("content-type")).toContain("application/problem+json");
  });

  it("stops guessing at one user with 429 and says when to come back", async () => {
    const victim = `victim-${api.unique}`;
    for (let i = 0; i < ATTEMPTS_PER_USER; i++) expect((await signIn(victim, "guess")).status).toBe(401);
    const limited = await signIn(victim, "guess");
    expect(limited.status).toBe(429);
    expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(0);
  });

  it("ends a session on DELETE", async () => {
    const token = await api.signIn();
    expect((await ask("GET", "/v1/groups", { token })).status).toBe(200);
    expect((await ask("DELETE", "/v1/session", { token })).status).toBe(204);
    expect((await ask("GET", "/v1/groups", { token })).status).toBe(401);
  });
});

describe("groups", () => {
  it("shows a group with the floor of its media process", async () => {
    const { json } = await ask("GET", `/v1/groups/${api.group}`, { token: await api.signIn() });
    expect(json).toMatchObject({ group: { id: api.group }, snapshot: { floor: { state: "idle", seq: 7 } } });
  });

  it("does not tell a group of others from one that is not there", async () => {
    const token = await api.signIn();
    const [closed, unknown] = [
      await ask("GET", `/v1/groups/${api.closed}`, { token }),
      await ask("GET", "/v1/groups/no-such", { token }),
    ];
    expect(closed.status).toBe(404);
    expect(closed.json).toEqual(unknown.json);
  });
});

describe("provisioning", () => {
  const user = () => ({ id: `carol-${api.unique}`, agency: api.agency, name: "Carol", priority: 4 });

  it("is the administrator's alone", async () => {
    expect((await ask("GET", "/v1/users")).status).toBe(401);
    expect((await ask("GET", "/v1/users", { token: await api.signIn() })).status).toBe(403);
    expect((await ask("GET", "/v1/users", { token: api.admin })).status).toBe(200);
  });

  it("makes a user who can then sign in, and never shows the password or its hash", async () => {
    const path = `/v1/users/${user().id}`;
    const put = await ask("PUT", path, { token: api.admin, body: { ...user(), password: "a secret" } });
    expect([put.status, put.json]).toEqual([200, user()]);
    expect((await ask("GET", path, { token: api.admin })).json).toEqual(user());
    expect((await signIn(user().id, "a secret")).status).toBe(201);
  });

  it("keeps the password of a user that is replaced without one", async () => {
    const path = `/v1/users/${user().id}`;
    await ask("PUT", path, { token: api.admin, body: { ...user(), password: "first" } });
    await ask("PUT", path, { token: api.admin, body: { ...user(), name: "Carol B" } });
    expect((await signIn(user().id, "first")).status).toBe(201);
  });

  it("names the field that refers to nothing", async () => {
    const body = { ...user(), agency: "nowhere", password: "x" };
    const { status, json } = await ask("PUT", `/v1/users/${user().id}`, { token: api.admin, body });
    expect(status).toBe(409);
    expect(json["errors"]).toEqual([{ pointer: "/agency", detail: "names no agency: nowhere" }]);
  });

  it("refuses a user whose id a group has", async () => {
    const body = { ...user(), id: api.group, password: "x" };
    expect((await ask("PUT", `/v1/users/${api.group}`, { token: api.admin, body })).status).toBe(409);
  });

  it("never shows a trunk's password", async () => {
    const id = `carrier-${api.unique}`;
    const body = { id, peers: ["127.0.0.1:5080"], username: "u", password: "trunk secret" };
    const { status, text } = await ask("PUT", `/v1/trunks/${id}`, { token: api.admin, body });
    expect(status).toBe(200);
    expect(text).not.toContain("trunk secret");
  });
});

describe("bad input", () => {
  const rows: [
    title: string,
    method: string,
    path: string,
    init: Parameters<typeof ask>[2],
    status: number,
  ][] = [
    ["JSON of the wrong shape", "POST", "/v1/session", { body: { user: 5 } }, 400],
    ["a field nobody knows", "POST", "/v1/session", { body: { user: "a", password: "b", admin: true } }, 400],
    ["JSON that ends early", "POST", "/v1/session", { text: '{"user":' }, 400],
    ["an unknown path", "GET", "/v2/nothing", {}, 404],
    ["a method the resource lacks", "PATCH", "/v1/session", {}, 405],
    [
      "a body that is too large",
      "POST",
      "/v1/session",
      { body: { user: "x".repeat(70_000), password: "y" } },
      413,
    ],
    ["a media type nobody reads", "POST", "/v1/session", { text: "<a/>", type: "application/xml" }, 415],
  ];
  it.each(rows)("answers %s with problem+json", async (_title, method, path, init, status) => {
    const answer = await ask(method, path, init);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toContain("application/problem+json");
    expect(answer.json).toMatchObject({ status });
  });

  it("names the path of each bad field", async () => {
    const { json } = await ask("POST", "/v1/session", { body: { user: 5, password: "x" } });
    expect(json["errors"]).toEqual([expect.objectContaining({ pointer: "/user" })]);
  });

  it("says which methods a resource has", async () => {
    expect((await ask("PATCH", "/v1/session")).headers.get("allow")).toContain("POST");
  });
});

describe("what a browser gets", () => {
  it("sends security headers with every answer, and no CORS", async () => {
    const { headers } = await ask("GET", "/healthz");
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("access-control-allow-origin")).toBeNull();
  });

  it("describes itself in OpenAPI 3.1 and shows it at /docs", async () => {
    const { json } = await ask("GET", "/openapi.json");
    expect(json["openapi"]).toBe("3.1.0");
    expect(Object.keys(json["paths"] as object)).toEqual(
      expect.arrayContaining(["/v1/session", "/v1/groups/{id}", "/v1/talk-groups/{id}", "/readyz"]),
    );
    expect((await ask("GET", "/docs")).status).toBe(200);
  });
});
