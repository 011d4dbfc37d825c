import type { Registration } from "#signaling/sip-port/sip-port.ts";
import type { Draft } from "./draft.ts";

/** Has a leg follow a registration from now on. Only a connection can be lost: over UDP nothing is kept. */
export function noteFollower(draft: Draft, number: number, registration: Registration): void {
  const leg = draft.leg(number);
  const flow = leg?.dialog?.flow;
  if (!leg || flow?.connection === undefined) return;
  const { user, key } = registration;
  if (leg.registration?.user !== user || leg.registration.key !== key)
    draft.putLeg(number, { ...leg, registration: { user, key } });
  draft.follows.push({ user, key, leg: leg.leg, flow });
}

/** The leg is over: nobody needs to find it any more. */
export function strikeFollower(draft: Draft, number: number): void {
  const leg = draft.leg(number);
  if (leg?.registration) draft.follows.push({ ...leg.registration, leg: leg.leg });
}
