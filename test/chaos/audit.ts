import { listInstances } from "#state/instance/instance.ts";
import { fetchBindings } from "#state/registration/fetch-bindings.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import type { CallDetail } from "#signaling/calls/call/effect.ts";
import { decodeBody } from "#signaling/edge/engine/record.ts";
import { isUnstable, TOMBSTONE_MS } from "#signaling/edge/engine/schedule.ts";
import { openRecord } from "#state/call/stored-call.ts";
import { loadOfTrunk } from "#state/trunk/slots.ts";
import { delay } from "./delay.ts";
import type { CallOutcome } from "./run-call.ts";

/** Clocks of two processes, and the time from a socket to a handler, in ms. */
const SLACK_MS = 150;
/** What calls leave behind must be gone this long after the last of them, in ms; a trunk looks after its own every 8 s. */
const SETTLE_MS = 20_000;

/** All detail records there are. */
export async function readDetails(redis: RedisConnection): Promise<CallDetail[]> {
  const streams = await Promise.all((await redis.keys("*:cdr")).map((key) => redis.xrange(key, "-", "+")));
  return streams.flat().map(([, fields]) => JSON.parse(fields[1] ?? "{}") as CallDetail);
}

/** The records of one call: those of its caller that began while it ran, for a caller has one call at a time. */
export const detailsOf = (
  details: readonly CallDetail[],
  { user, startedMs, endedMs }: CallOutcome,
): CallDetail[] =>
  details.filter(({ from, startMs }) => from === user && startMs >= startedMs - 5 && startMs <= endedMs);

/** How far the recorded duration lies outside what the two phones saw, in ms; 0 when it is right. */
export function durationError({ kind, milestones }: CallOutcome, { durationMs }: CallDetail): number {
  const at = (name: string): number | undefined => milestones.at(name);
  const answered = at("answered");
  if (answered === undefined) return durationMs === 0 ? 0 : durationMs;
  const pickedUp = (kind === "direct" ? at("invite-sent") : at("callee-answered")) ?? answered;
  const [byeSent, byeAnswered] = [
    at("bye-sent") ?? at("callee-bye-sent"),
    at("bye-answered") ?? at("callee-bye-answered"),
  ];
  if (byeSent === undefined || byeAnswered === undefined) return 0;
  const [least, most] = [byeSent - answered - SLACK_MS, byeAnswered - pickedUp + SLACK_MS];
  return Math.max(0, least - durationMs, durationMs - most);
}

/** Whose state is looked at. */
interface Scope {
  readonly users: readonly string[];
  readonly trunks?: readonly string[];
}

/** What must not be there once all calls are over; empty when all is well. Waits a little for what is on its way out. */
export async function findLeftovers(
  redis: RedisConnection,
  { users, trunks = [] }: Scope,
  settleMs = SETTLE_MS,
): Promise<string[]> {
  const deadline = Date.now() + settleMs;
  for (;;) {
    const found = [
      ...(await unsettledCalls(redis)),
      ...(await dueEntries(redis)),
      ...(await mediaLegs(redis)),
      ...(await wrongBindings(redis, users)),
      ...(await trunkCounts(redis, trunks)),
      ...(await subscriptions(redis)),
    ];
    if (found.length === 0 || Date.now() > deadline) return found;
    await delay(250);
  }
}

async function unsettledCalls(redis: RedisConnection): Promise<string[]> {
  const keys = await redis.keys("*}:call:*");
  const found = await Promise.all(
    keys.map(async (key) => {
      const [value, ttl] = await Promise.all([redis.get(key), redis.pttl(key)]);
      const stored = openRecord(value);
      if (!stored) return [];
      const { record, state } = decodeBody(stored.body);
      const name = `record ${key} of ${/\bsip:(c\d+)@/.exec(stored.body)?.[1] ?? "?"}`;
      if (isUnstable(record)) return [`${name} is unfinished: ${stored.body.slice(0, 200)}`];
      if (state !== undefined) return [`${name} is kept by call control: ${stored.body.slice(0, 200)}`];
      return ttl > TOMBSTONE_MS ? [`record ${key} lives for ${ttl} ms more`] : [];
    }),
  );
  return found.flat();
}

async function dueEntries(redis: RedisConnection): Promise<string[]> {
  const keys = await redis.keys("*}:due");
  const counts = await Promise.all(keys.map((key) => redis.zcard(key)));
  return keys.flatMap((key, i) =>
    counts[i] === 0 ? [] : [`due set ${key} has ${counts[i] ?? "?"} entries`],
  );
}

async function mediaLegs(redis: RedisConnection): Promise<string[]> {
  const media = (await listInstances(redis)).filter(({ role }) => role === "media");
  const legs = await Promise.all(
    media.map(async ({ listeners }) => {
      const text = await (await fetch(`http://${listeners["metrics"] ?? ""}/metrics`)).text();
      return [...text.matchAll(/^crossband_media_legs(?:\{[^}]*\})? (\d+)/gm)].reduce(
        (sum, [, n]) => sum + Number(n),
        0,
      );
    }),
  );
  const left = legs.reduce((sum, n) => sum + n, 0);
  return left === 0 ? [] : [`the media tier holds ${left} legs`];
}

async function wrongBindings(redis: RedisConnection, users: readonly string[]): Promise<string[]> {
  const counts = await Promise.all(users.map(async (user) => (await fetchBindings(redis, user)).length));
  return users.flatMap((user, i) =>
    counts[i] === 1 ? [] : [`${user} has ${counts[i] ?? "?"} registrations`],
  );
}

async function trunkCounts(redis: RedisConnection, trunks: readonly string[]): Promise<string[]> {
  const loads = await Promise.all(trunks.map((trunk) => loadOfTrunk(redis, trunk, Date.now())));
  return trunks.flatMap((trunk, i) =>
    loads[i]?.calls === 0 ? [] : [`trunk ${trunk} counts ${loads[i]?.calls ?? "?"} calls`],
  );
}

/** Whoever watched has ended that. */
const subscriptions = async (redis: RedisConnection): Promise<string[]> =>
  (await Promise.all([redis.keys("*}:subscriptions:*"), redis.keys("*}:subscriber:*")]))
    .flat()
    .map((key) => `${key} is still there`);
