import type { AnyCall } from "#signaling/calls/call/call-runner.ts";
import { parseAddress } from "#signaling/edge/message/address.ts";
import type { LegId } from "#signaling/sip-port/sip-port.ts";

/** A user's part in a call, as others may see it (RFC 4235 §3.7). */
export interface UserDialog {
  readonly user: string;
  readonly leg: LegId;
  readonly direction: "initiator" | "recipient";
  readonly state: "trying" | "early" | "confirmed";
  /** Whom the user talks with: a URI, and a name when there is one. */
  readonly remote: { readonly uri: string; readonly name: string };
}

/** Everybody's part in a call, from its record. Empty when it is over. */
export function dialogsOf(call: AnyCall, domain: string): readonly UserDialog[] {
  switch (call.kind) {
    case "group":
      return groupDialogs(call, domain);
    case "bridged":
      return bridgedDialogs(call, domain);
    case "user":
      return userDialogs(call);
    case "message":
      return [];
  }
}

function groupDialogs(call: Extract<AnyCall, { kind: "group" }>, domain: string): UserDialog[] {
  if (call.name !== "joining" && call.name !== "joined") return [];
  const { media, policy } = call;
  return [
    {
      user: media.member.id, leg: media.leg, direction: "initiator", state: call.name === "joined" ? "confirmed" : "trying",
      remote: { uri: `sip:${policy.id}@${domain}`, name: policy.name },
    },
  ]; // prettier-ignore
}

function bridgedDialogs(call: Extract<AnyCall, { kind: "bridged" }>, domain: string): UserDialog[] {
  if (call.name === "ended" || call.name === "gone") return [];
  const { media, sip, parties } = call;
  const user = media.member.id;
  const other = user === parties.to ? parties.from : parties.to;
  const part = { user, direction: "recipient", remote: { uri: `sip:${other}@${domain}`, name: "" } } as const;
  switch (call.name) {
    case "dialling":
      return call.branches
        .filter(({ state }) => state === "calling")
        .map(({ leg }): UserDialog => ({ ...part, leg, state: "early" }));
    case "joining":
      return [{ ...part, leg: sip, direction: "initiator", state: "trying" }];
    case "moving":
    case "joined":
      return [{ ...part, leg: sip, state: "confirmed" }];
  }
}

function userDialogs(call: Extract<AnyCall, { kind: "user" }>): UserDialog[] {
  const [from, to] = [remoteOf(call.from), remoteOf(call.to)];
  const caller = { user: call.caller.id, leg: call.leg, direction: "initiator", remote: to } as const;
  const callee = { user: call.callee, direction: "recipient", remote: from } as const;
  switch (call.name) {
    case "calling":
      return [
        { ...caller, state: call.told === undefined ? "trying" : "early" },
        ...call.branches
          .filter(({ state }) => state === "calling" || state === "accepting" || state === "won")
          .map(({ leg }): UserDialog => ({ ...callee, leg, state: "early" })),
      ];
    case "talking":
      return [
        { ...caller, state: "confirmed" },
        { ...callee, leg: call.peer, state: "confirmed" },
      ];
    case "ended":
    case "gone":
      return [];
  }
}

/** Display names are bytes in SIP and characters everywhere else. */
function remoteOf(nameAddr: string): UserDialog["remote"] {
  const address = parseAddress(nameAddr);
  return {
    uri: address?.uriText ?? "",
    name: Buffer.from(address?.displayName ?? "", "latin1").toString("utf8"),
  };
}
