import type { SipHandler, Step } from "#signaling/sip-port/sip-port.ts";
import type { WireState } from "./wire-state.ts";

/** Timers of the drachtio server are told from those of call control by their names. */
export const WIRE_TIMER_PREFIX = "wire-";

/**
 * Applications beside call control of our own: a new request goes to the applications when one of them asked for its
 * method, and to call control otherwise. Whoever began with a call keeps it: the record says who that is.
 *
 * @param applications what the attached applications are told
 * @param control our own call control
 * @param takes whether an application asked for a method
 */
export function besideCallControl(
  applications: SipHandler,
  control: SipHandler,
  takes: (method: string) => boolean,
): SipHandler {
  const ownerOf = async (step: Step): Promise<SipHandler> => {
    const state = await step.load<Partial<WireState>>();
    return state?.application === true ? applications : control;
  };
  return {
    async onEvent(event, step) {
      const isNew = event.type === "request" && !event.dialog;
      const handler = isNew ? (takes(event.message.method) ? applications : control) : await ownerOf(step);
      await handler.onEvent(event, step);
    },
    onTimer: (name, step) =>
      (name.startsWith(WIRE_TIMER_PREFIX) ? applications : control).onTimer(name, step),
    async recover(step) {
      await (await ownerOf(step)).recover(step);
    },
  };
}
