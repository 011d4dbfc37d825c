import type { EnginePort } from "#signaling/edge/wire/engine-port.ts";
import type { SipEvent, SipHandler, Step } from "#signaling/sip-port/sip-port.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { METHODS } from "./capabilities.ts";
import { packageOf } from "./subscription/event-package.ts";

/** One SIP server, two that handle its events: call control, and drachtio applications attached to this process. */
export interface SharedPort {
  /** What applications are attached to, in place of the port itself. */
  readonly forApplications: EnginePort;
  /** What the port's events go to. */
  handler(calls: SipHandler, attached: () => number): SipHandler;
}

const OURS: ReadonlySet<string> = new Set(METHODS);
/** Methods of which only some events are ours (RFC 6665 §7.2, RFC 3903 §4). */
const BY_EVENT: ReadonlySet<string> = new Set(["SUBSCRIBE", "PUBLISH"]);

const isOurs = (message: SipMessage): boolean =>
  message.method !== "REFER" &&
  (BY_EVENT.has(message.method)
    ? packageOf(message.header("event")) !== undefined
    : OURS.has(message.method));

/**
 * Divides events by a rule that needs no agreement: a call belongs to whoever wrote its record. Call control begins calls by
 * the methods it serves, so an attached application is asked only for others (REFER and NOTIFY outside a dialog, SUBSCRIBE and
 * PUBLISH for event packages that call control has not) and has what it began itself. An application that wants every method is attached to `crossband edge` instead.
 */
export function sharePort(port: EnginePort): SharedPort {
  let applications: SipHandler | undefined;
  return {
    forApplications: {
      handle(handler) { applications = handler; },
      begin: (callId, work) => port.begin(callId, work),
      perform: (callId, work) => port.perform(callId, work),
      resolve: (uri) => port.resolve(uri),
      get advertised() { return port.advertised; },
      get busy() { return port.busy; },
      close: () => Promise.resolve(),
    }, // prettier-ignore
    handler(calls, attached) {
      const owner = async (step: Step, event?: SipEvent): Promise<SipHandler> => {
        const record = await step.load<{ kind?: string }>();
        if (!applications || record?.kind !== undefined) return calls;
        if (record !== undefined) return applications;
        if (event === undefined || attached() === 0) return calls;
        return event.type === "request" && isOurs(event.message) ? calls : applications;
      };
      return {
        onEvent: async (event, step) => (await owner(step, event)).onEvent(event, step),
        onTimer: async (name, step) => (await owner(step)).onTimer(name, step),
        recover: async (step) => (await owner(step)).recover(step),
      };
    },
  };
}
