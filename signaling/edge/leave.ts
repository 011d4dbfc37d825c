import type { InstanceCard } from "#state/instance/instance.ts";
import type { RoleContext } from "#state/instance/role.ts";
import type { Rpc, RpcRequest } from "#state/rpc/rpc.ts";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Engine } from "./engine/engine.ts";
import { HandOver } from "./engine/hand-over.ts";
import type { Sweeper } from "./engine/sweeper.ts";
import type { Sockets } from "./transport/sockets.ts";

const PATH = "/calls";
/** Calls that an heir takes at once. */
const PARALLEL = 32;
/** An heir reads and commits a hundred calls in this time, or is no help. */
const GIVE_MS = 3_000;
/** From the first word of leaving until the others have read it, in ms: they look twice a second. */
const KNOWN_MS = 700;
/** How long peers get to close their side, in ms. */
const CONNECTIONS_MS = 1_500;
/** How long steps under way may take, in ms. */
const WORKING_MS = 3_000;

export interface LeaveOptions {
  readonly context: Pick<RoleContext, "instance" | "log">;
  readonly engine: Pick<Engine, "leave" | "working">;
  readonly sockets: Pick<Sockets, "stopAccepting" | "leaveConnections">;
  readonly rpc: Pick<Rpc, "call">;
  readonly sweeper: Pick<Sweeper, "close"> | undefined;
  readonly others: () => Promise<readonly InstanceCard[]>;
}

/**
 * Leaves the cluster while calls go on: the others take the calls now, peers on streams are told to connect elsewhere, and
 * what still arrives here is answered in the heir's name until the sockets close.
 */
export async function leave({ context, engine, sockets, rpc, sweeper, others }: LeaveOptions): Promise<void> {
  const { instance, log } = context;
  const startedAt = performance.now();
  await sweeper?.close();
  sockets.stopAccepting();
  const handOver = new HandOver({
    log,
    heirs: async () => heirsAmong(await others(), instance),
    give: async (heir, calls) => {
      await rpc.call(heir, { method: "POST", path: PATH, body: { from: instance, calls } }, GIVE_MS);
    },
  });
  await handOver.begin();
  engine.leave(handOver);
  await handOver.settled();
  await pause(KNOWN_MS);
  await sockets.leaveConnections(CONNECTIONS_MS);
  const deadline = performance.now() + WORKING_MS;
  while (engine.working && performance.now() < deadline) await pause(20);
  await handOver.settled();
  log.info({ heir: handOver.heir, ms: Math.round(performance.now() - startedAt) }, "calls handed over");
}

/** The other end: true when the request was to take calls, and they are taken. */
export async function takeCalls(engine: Pick<Engine, "takeOver">, request: RpcRequest): Promise<boolean> {
  if (request.method !== "POST" || request.path !== PATH) return false;
  const { from, calls } = (request.body ?? {}) as { from?: unknown; calls?: unknown };
  if (typeof from !== "string" || !Array.isArray(calls) || !calls.every((call) => typeof call === "string"))
    throw new CrossbandError(ErrorCode.MessageMalformed, "calls to take are named by their ids");
  for (let first = 0; first < calls.length; first += PARALLEL)
    await Promise.all(calls.slice(first, first + PARALLEL).map((call) => engine.takeOver(call, from)));
  return true;
}

/** Processes that may work on SIP calls and stay, the idle ones first, equal ones in a random order. */
function heirsAmong(cards: readonly InstanceCard[], instance: string): string[] {
  const own = cards.find((card) => card.instance === instance)?.role;
  return cards
    .filter((card) => card.role === own && !card.draining && card.instance !== instance)
    .map((card) => ({ card, weight: Math.round(card.load * 10) + Math.random() }))
    .sort((a, b) => a.weight - b.weight)
    .map(({ card }) => card.instance);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
