import { randomBytes } from "node:crypto";
import { loadConfig } from "#common/config.ts";
import { silent } from "#common/log.ts";
import { applyProvision } from "#state/directory/directory.ts";
import { provisionSchema } from "#state/directory/provision.ts";
import { clusterSecret } from "#state/instance/instance.ts";
import { connect } from "#state/redis/connection.ts";
import { startRpc, type RpcHandler } from "#state/rpc/rpc.ts";
import { placementKey } from "#state/talk-group/talk-group.keys.ts";
import { adminToken } from "#state/session/admin-token.ts";
import { startApi } from "../start-api.ts";

/** An api process on a free port with a directory of its own names, and a media process that answers as told. */
export async function startTestApi(
  media: RpcHandler,
  port = 0,
  environment: Readonly<Record<string, string>> = {},
) {
  const url = process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379";
  const redis = connect(url, { log: silent });
  const openBlocking = () => connect(url, { log: silent, blocking: true });
  const unique = randomBytes(4).toString("hex");
  const names = {
    agency: `fire-${unique}`,
    other: `ems-${unique}`,
    alice: `alice-${unique}`,
    bob: `bob-${unique}`,
    group: `fire-1-${unique}`,
    closed: `ems-1-${unique}`,
  };
  await applyProvision(
    redis,
    provisionSchema.parse({
      agencies: [
        { id: names.agency, name: "County Fire" },
        { id: names.other, name: "City EMS" },
      ],
      users: [
        { id: names.alice, agency: names.agency, name: "Alice Rivera", password: "correct horse" },
        { id: names.bob, agency: names.other, name: "Bob Ode", password: "battery staple" },
      ],
      talkGroups: [
        {
          id: names.group,
          agency: names.agency,
          name: "Fire Dispatch 1",
          members: [names.alice],
          queue: true,
        },
        { id: names.closed, agency: names.other, name: "EMS 1" },
      ],
    }),
  );
  const config = loadConfig({ CROSSBAND_HTTP_PORT: String(port), ...environment });
  const secret = await clusterSecret(redis);
  const mediaInstance = `media-${unique}`;
  const rpc = startRpc(redis, openBlocking(), mediaInstance, media, silent);
  await redis.set(placementKey(names.group), JSON.stringify({ instance: mediaInstance, epoch: 1 }));
  const instance = `api-${unique}`;
  const api = await startApi({ config, log: silent, instance, secret, redis, openBlocking });
  const address = api.card().listeners["http"] ?? "";
  return {
    ...names,
    unique,
    redis,
    http: `http://${address}`,
    ws: `ws://${address}`,
    /** `host:port` over TLS, when it was asked for. */
    secure: api.card().listeners["https"],
    admin: adminToken(secret),
    api,
    async signIn(user = names.alice, password = "correct horse"): Promise<string> {
      const response = await fetch(`http://${address}/v1/session`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ user, password }),
      });
      if (response.status !== 201) throw new Error(`sign-in answered ${response.status}`);
      return ((await response.json()) as { token: string }).token;
    },
    async stop(): Promise<void> {
      await api.close();
      await rpc.close();
      redis.disconnect();
    },
  };
}

export type TestApi = Awaited<ReturnType<typeof startTestApi>>;
