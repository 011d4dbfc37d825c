import { GROUP } from "./cluster.ts";
import type { Kind, Variant } from "./cut-points.ts";
import { Lost, Milestones } from "./milestones.ts";
import { Callee } from "./callee.ts";
import { Caller } from "./caller.ts";
import { register } from "./register.ts";
import { PATIENCE_MS, type Script } from "./script.ts";
import type { Slot } from "./slots.ts";
import { isWebrtc } from "./transports.ts";

export interface CallOutcome {
  readonly callId: string;
  readonly user: string;
  readonly kind: Kind;
  readonly variant: Variant;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly milestones: Milestones;
  /** Undefined for a call that went all the way on both sides. */
  readonly lost: string | undefined;
  /** The longest that either side waited for the other's doing, in ms, less the time that a phone took to connect again. */
  readonly stallMs: number;
  /** How long its phones were without a connection, the one that took longer, in ms. */
  readonly awayMs: number;
}

/** Who waits for whom: from what one side did to what the other sees of it. */
const WAITS: readonly (readonly [string, string])[] = [
  ["invite-sent", "callee-invited"],
  ["prack-sent", "prack-answered"],
  ["callee-rings", "callee-pracked"],
  ["callee-answered", "answered"],
  ["callee-answered", "callee-confirmed"],
  ["cancel-sent", "cancel-answered"],
  ["cancel-sent", "terminated"],
  ["cancel-sent", "callee-cancelled"],
  ["re-invite-sent", "re-answered"],
  ["callee-re-answered", "callee-re-confirmed"],
  ["bye-sent", "bye-answered"],
  ["bye-sent", "callee-released"],
  ["callee-bye-sent", "callee-bye-answered"],
  ["callee-bye-sent", "caller-released"],
  ["register-sent", "registered"],
];
/** In a call to a group nobody has to pick up. */
const DIRECT_WAIT = ["invite-sent", "answered"] as const;

/** Runs one call of a slot to its end, or until it is lost. */
export async function runCall(
  slot: Slot,
  kind: Kind,
  variant: Variant,
  callId: string,
  times: Omit<Script, "story">,
): Promise<CallOutcome> {
  const milestones = new Milestones();
  const other = kind === "trunk" ? slot.carrier : slot.callee;
  const anchored = isWebrtc(slot.caller.transport);
  const script: Script = { story: variant.story, anchored, ...times };
  const startedMs = Date.now();
  let lost: string | undefined;
  const callee =
    other && (kind === "b2bua" || kind === "trunk") ? new Callee(other, script, milestones) : undefined;
  try {
    if (kind === "registration") await register(slot.caller.phone, callId, milestones);
    else {
      await new Caller(slot.caller, targetOf(slot, kind), callId, milestones).run(script);
      if (callee) await calleeDone(script, milestones);
    }
    if (callee?.rungTwice === true) lost = "the callee was called twice";
  } catch (error) {
    if (!(error instanceof Lost)) throw error;
    lost = error.message;
  } finally {
    callee?.close();
  }
  const waits = kind === "direct" ? [...WAITS, DIRECT_WAIT] : WAITS;
  const waitedMs = Math.max(0, ...waits.map(([from, to]) => milestones.between(from, to) ?? 0));
  const awayMs = Math.max(...[slot.caller, slot.callee].map((line) => line.awaySince(startedMs)));
  const stallMs = Math.max(0, waitedMs - awayMs);
  const { user } = slot.caller;
  return { callId, user, kind, variant, startedMs, endedMs: Date.now(), milestones, lost, stallMs, awayMs };
}

function targetOf({ callee, carrier }: Slot, kind: Kind): string {
  if (kind === "direct") return GROUP;
  return kind === "trunk" ? (carrier?.number ?? "") : callee.phone.uri;
}

/** What the callee must have seen when a call is over. */
async function calleeDone({ story, anchored = false }: Script, milestones: Milestones): Promise<void> {
  if (story === "cancel" && milestones.at("callee-answered") === undefined) {
    await milestones.wait("callee-cancelled", PATIENCE_MS);
    return;
  }
  await milestones.wait("callee-confirmed", PATIENCE_MS);
  if (story === "reinvite" && !anchored && milestones.at("re-refused") === undefined)
    await milestones.wait("callee-re-confirmed", PATIENCE_MS);
  await milestones.wait(story === "callee-hangs-up" ? "callee-bye-answered" : "callee-released", PATIENCE_MS);
}
