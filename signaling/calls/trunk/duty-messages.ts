import { bestChallenge, authorizationFor } from "#signaling/calls/auth/digest-client.ts";
import { retryAfterOf } from "#signaling/calls/call/to-event.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import type { Flow, SipCommand, SipEvent } from "#signaling/sip-port/sip-port.ts";
import type { HealthEvent, HealthState } from "./peer-health.machine.ts";
import type {
  RegistrationEffect,
  RegistrationEvent,
  TrunkRegistration,
} from "./trunk-registration.machine.ts";

type Response = Extract<SipEvent, { type: "response" }>;

/** A peer that has said nothing to a REGISTER, or to an OPTIONS, after so many ms has failed. */
const REGISTER_PATIENCE_MS = 8_000;
const OPTIONS_PATIENCE_MS = 4_000;

/** The REGISTER of a registration: the same state, the same bytes. */
export function sendRegister(
  { enrolment, leg }: TrunkRegistration,
  { seconds, challenge, count }: Extract<RegistrationEffect, { do: "register" }>,
  flow: Flow | undefined,
  secret: string,
): SipCommand {
  const { registrar: uri, aor, contactUser, ...account } = enrolment;
  const method = "REGISTER";
  const authorization =
    challenge && authorizationFor(challenge, { account, method, uri, count, seed: `${secret}|${leg}` });
  return {
    type: "request", leg, method, uri, from: aor, to: aor, contactUser, patienceMs: REGISTER_PATIENCE_MS,
    headers: [["Expires", String(seconds)], ...(authorization ? [authorization] : [])],
    ...(flow && { flow }),
  }; // prettier-ignore
}

export const sendOptions = ({ check, leg }: HealthState, flow: Flow | undefined): SipCommand => ({
  type: "request", leg, method: "OPTIONS", uri: check.uri, from: check.from, to: `<${check.uri}>`, patienceMs: OPTIONS_PATIENCE_MS,
  headers: [["Accept", "application/sdp"]],
  ...(flow && { flow }),
}); // prettier-ignore

/** The challenge of a 401 or 407 that we can answer. */
export function challengeOf(message: SipMessage, status: number) {
  if (status !== 401 && status !== 407) return undefined;
  return bestChallenge(
    message.headers(status === 407 ? "proxy-authenticate" : "www-authenticate"),
    status === 407,
  );
}

/** What a registrar says. */
export function registrationResponseOf(
  { status, message }: Response,
  { enrolment }: TrunkRegistration,
  atMs: number,
): RegistrationEvent {
  const challenge = challengeOf(message, status);
  const minSeconds = numberIn(message.header("min-expires"));
  const retryAfterS = retryAfterOf(message);
  const ours = message.contacts.find(({ uri }) => uri.user === enrolment.contactUser);
  const granted =
    status < 300 ? (numberIn(ours?.params.get("expires")) ?? numberIn(message.header("expires"))) : undefined;
  return {
    type: "response", status, atMs, ...(challenge && { challenge }), ...(minSeconds !== undefined && { minSeconds }),
    ...(retryAfterS !== undefined && { retryAfterS }), ...(granted !== undefined && { granted }),
  }; // prettier-ignore
}

export function healthResponseOf({ status, local, message }: Response, atMs: number): HealthEvent {
  const retryAfterS = retryAfterOf(message);
  return { type: "response", status, local, atMs, ...(retryAfterS !== undefined && { retryAfterS }) };
}

function numberIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
