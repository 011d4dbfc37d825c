import { buildRequest, buildResponse } from "#signaling/edge/message/build.ts";
import { parseMessage } from "#signaling/edge/message/parse.ts";
import type { SipCommand, SipEvent } from "#signaling/sip-port/sip-port.ts";

/** The response that call control is told when the server did not take a request. Undefined when the request was malformed. */
export function localFailure(
  command: Pick<Extract<SipCommand, { type: "request" | "in-dialog" }>, "leg" | "method">,
  status: number,
): SipEvent | undefined {
  const { leg, method } = command;
  const uri = "sip:local.invalid";
  const headers = [
    ["Via", `SIP/2.0/UDP local.invalid;branch=z9hG4bK${leg}`],
    ["From", `<${uri}>;tag=${leg}`],
    ["To", `<${uri}>`],
    ["Call-ID", leg],
    ["CSeq", `0 ${method}`],
  ] as const;
  const request = parseMessage(buildRequest({ method, uri, headers }));
  if (!request.ok) return undefined;
  const response = parseMessage(buildResponse(request.message, { status, toTag: "local" }));
  if (!response.ok) return undefined;
  return { type: "response", leg, txn: `${leg}-c0`, method, status, message: response.message, local: true };
}
