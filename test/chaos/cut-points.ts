import type { Pattern } from "./packet.ts";
import type { Script } from "./script.ts";
import type { Moment } from "./tap.ts";
import { isWebrtc, type Transport } from "./transports.ts";

export type Kind = "direct" | "b2bua" | "trunk" | "registration";

/** One way in which an instance dies of a call. */
export interface Variant {
  readonly moment: Moment;
  /** The message that must meet the victim, so that the moment is its. */
  readonly steer: Pattern;
  readonly story: Script["story"];
  /** The media tier takes its time: what it answers at once goes out with no 100 before it. */
  readonly slowMedia?: true;
}

export interface CutPoint {
  readonly name: string;
  readonly title: string;
  readonly kind: Kind;
  readonly variants: readonly Variant[];
}

type At = Moment["at"];
const request = (side: Pattern["side"], method: string, seq?: number): Pattern => ({
  side, method, status: 0, ...(seq !== undefined && { seq }),
}); // prettier-ignore
const response = (side: Pattern["side"], status: number, method: string, seq?: number): Pattern => ({
  side, method, status, ...(seq !== undefined && { seq }),
}); // prettier-ignore
const cut = (
  at: At,
  pattern: Pattern,
  steer: Pattern = pattern,
  story: Script["story"] = "plain",
): Variant => ({
  moment: { ...pattern, at },
  steer,
  story,
});

const invite = request("caller", "INVITE", 1);
const calleeRings = response("callee", 180, "INVITE", 1);
const calleeAnswers = response("callee", 200, "INVITE", 1);
const weTry = response("caller", 100, "INVITE", 1);
const weRing = response("caller", 180, "INVITE", 1);
const weAnswer = response("caller", 200, "INVITE", 1);
const prack = request("caller", "PRACK", 2);
const cancel = request("caller", "CANCEL", 1);
const reInvite = request("caller", "INVITE", 2);
const calleeReAnswers = response("callee", 200, "INVITE", 2);
const weReAnswer = response("caller", 200, "INVITE", 2);
const bye = request("caller", "BYE", 3);
const calleeBye = request("callee", "BYE", 3);

/** Every place at which an instance is killed, for calls into a group (direct), between phones (B2BUA) and to outside (trunk). */
export const CUT_POINTS: readonly CutPoint[] = [
  { name: "invite", title: "after INVITE received", kind: "direct", variants: [cut("received", invite)] },
  { name: "invite", title: "after INVITE received", kind: "b2bua", variants: [cut("received", invite)] },
  { name: "trying", title: "after 100", kind: "direct", variants: [{ ...cut("after-send", weTry, invite), slowMedia: true }] },
  { name: "trying", title: "after 100", kind: "b2bua", variants: [cut("after-send", weTry, invite)] },
  { name: "ringing", title: "after 180 relayed", kind: "b2bua", variants: [cut("after-send", weRing, calleeRings)] },
  {
    name: "prack", title: "during PRACK", kind: "b2bua",
    variants: [
      cut("after-send", weRing, calleeRings, "prack"),
      cut("received", prack, prack, "prack"),
      cut("before-send", request("callee", "PRACK"), prack, "prack"),
      cut("before-send", response("caller", 200, "PRACK"), prack, "prack"),
      cut("after-send", response("caller", 200, "PRACK"), prack, "prack"),
      cut("received", response("callee", 200, "PRACK"), response("callee", 200, "PRACK"), "prack"),
    ],
  },
  { name: "answer", title: "after the media tier's answer, before our 200", kind: "direct", variants: [cut("before-send", weAnswer, invite)] },
  {
    name: "answer", title: "after the callee's 200, before ours", kind: "b2bua",
    variants: [cut("received", calleeAnswers), cut("before-send", weAnswer, calleeAnswers)],
  },
  { name: "ack", title: "after our 200, before ACK", kind: "direct", variants: [cut("after-send", weAnswer, invite)] },
  { name: "ack", title: "after our 200, before ACK", kind: "b2bua", variants: [cut("after-send", weAnswer, calleeAnswers)] },
  {
    name: "cancel", title: "during CANCEL", kind: "b2bua",
    variants: [
      cut("received", cancel, cancel, "cancel"),
      cut("before-send", response("caller", 200, "CANCEL"), cancel, "cancel"),
      cut("before-send", response("caller", 487, "INVITE"), cancel, "cancel"),
      cut("before-send", request("callee", "CANCEL"), cancel, "cancel"),
      cut("after-send", response("caller", 487, "INVITE"), cancel, "cancel"),
    ],
  },
  {
    name: "re-invite", title: "during re-INVITE", kind: "direct",
    variants: [
      cut("received", reInvite, reInvite, "reinvite"),
      cut("before-send", weReAnswer, reInvite, "reinvite"),
      cut("after-send", weReAnswer, reInvite, "reinvite"),
    ],
  },
  {
    name: "re-invite", title: "during re-INVITE", kind: "b2bua",
    variants: [
      cut("received", reInvite, reInvite, "reinvite"),
      cut("before-send", request("callee", "INVITE", 2), reInvite, "reinvite"),
      cut("received", calleeReAnswers, calleeReAnswers, "reinvite"),
      cut("before-send", weReAnswer, calleeReAnswers, "reinvite"),
      cut("after-send", weReAnswer, calleeReAnswers, "reinvite"),
    ],
  },
  {
    name: "bye", title: "during BYE", kind: "direct",
    variants: [cut("received", bye), cut("before-send", response("caller", 200, "BYE"), bye), cut("after-send", response("caller", 200, "BYE"), bye)],
  },
  {
    name: "bye", title: "during BYE", kind: "b2bua",
    variants: [
      cut("received", bye),
      cut("before-send", response("caller", 200, "BYE"), bye),
      cut("after-send", response("caller", 200, "BYE"), bye),
      cut("received", calleeBye, calleeBye, "callee-hangs-up"),
      cut("after-send", response("callee", 200, "BYE", 3), calleeBye, "callee-hangs-up"),
    ],
  },
  {
    name: "trunk", title: "of calls that a trunk counts", kind: "trunk",
    variants: [
      cut("before-send", weTry, invite),
      cut("before-send", request("callee", "INVITE", 1), invite),
      cut("after-send", weRing, calleeRings),
      cut("before-send", weAnswer, calleeAnswers),
      cut("before-send", response("caller", 487, "INVITE"), cancel, "cancel"),
      cut("before-send", response("caller", 200, "BYE"), bye),
      cut("before-send", request("callee", "BYE"), bye),
      cut("after-send", response("callee", 200, "BYE", 3), calleeBye, "callee-hangs-up"),
    ],
  },
  {
    name: "register", title: "during REGISTER", kind: "registration",
    variants: [
      cut("received", request("caller", "REGISTER", 2)),
      cut("before-send", response("caller", 200, "REGISTER", 2), request("caller", "REGISTER", 2)),
      cut("after-send", response("caller", 200, "REGISTER", 2), request("caller", "REGISTER", 2)),
    ],
  },
  {
    name: "commit", title: "between commit and send", kind: "direct",
    variants: [
      cut("before-send", weTry, invite),
      cut("before-send", weAnswer, invite),
      cut("before-send", weReAnswer, reInvite, "reinvite"),
      cut("before-send", response("caller", 200, "BYE"), bye),
    ],
  },
  {
    name: "commit", title: "between commit and send", kind: "b2bua",
    variants: [
      cut("before-send", weTry, invite),
      cut("before-send", request("callee", "INVITE", 1), invite),
      cut("before-send", weRing, calleeRings),
      cut("before-send", request("callee", "ACK", 1), calleeAnswers),
      cut("before-send", request("callee", "ACK", 2), calleeReAnswers, "reinvite"),
      cut("before-send", request("callee", "BYE"), bye),
      cut("before-send", request("caller", "BYE"), calleeBye, "callee-hangs-up"),
    ],
  },
]; // prettier-ignore

/** Exchanges that run between telephones alone: a browser's are with the media tier. */
const betweenPhones = ({ moment, steer, story }: Variant): boolean =>
  story === "prack" ||
  [moment, steer].some(({ side, method, seq }) => side === "callee" && method !== "BYE" && seq === 2);

/** The points at which calls of phones on this transport can be cut. */
export const cutPointsOf = (transport: Transport): CutPoint[] =>
  isWebrtc(transport)
    ? CUT_POINTS.map((point) => ({
        ...point,
        variants: point.variants.filter((one) => !betweenPhones(one)),
      })).filter(({ variants }) => variants.length > 0)
    : [...CUT_POINTS];
