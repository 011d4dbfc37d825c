import { z } from "zod";
import type { Publication } from "#state/subscription/publications.ts";
import type { Binding } from "#state/registration/binding.ts";
import type { StateDocument } from "./event-package.ts";
import { escapeXml, xmlDocument } from "./xml.ts";

/** What of a published PIDF document (RFC 3863, RFC 4480) is kept and told. */
export const presenceSchema = z.object({
  basic: z.enum(["open", "closed"]),
  note: z.string().max(200).optional(),
  activity: z.string().max(40).optional(),
});
export type PublishedPresence = z.infer<typeof presenceSchema>;

/** RFC 4480 §3.2: the activities that people's phones set. */
const ACTIVITIES = [
  "appointment", "away", "busy", "holiday", "in-transit", "meal", "meeting", "on-the-phone", "performance", "permanent-absence",
  "sleeping", "travel", "vacation", "working", "worship",
] as const; // prettier-ignore

/** Longest PIDF document that is looked at, in bytes. */
const MAX_DOCUMENT = 8_192;

/**
 * Takes from a PIDF document what others are told. The document itself is never passed on: what subscribers get is
 * written here, so that nobody's XML reaches another's parser.
 */
export function readPresence(document: string): PublishedPresence | undefined {
  if (document.length > MAX_DOCUMENT) return undefined;
  const text = Buffer.from(document, "latin1").toString("utf8");
  if (!/<(?:\w{1,20}:)?presence[\s>]/.test(text)) return undefined;
  const basic = /<(?:\w{1,20}:)?basic>\s{0,20}(open|closed)\s{0,20}</.exec(text)?.[1];
  if (basic !== "open" && basic !== "closed") return undefined;
  const note = /<(?:\w{1,20}:)?note(?:\s[^<>]{0,100})?>([^<]{1,200})</.exec(text)?.[1];
  const activity = ACTIVITIES.find((name) => new RegExp(`<(?:\\w{1,20}:)?${name}\\s?/?>`).test(text));
  return {
    basic,
    ...(note !== undefined && { note: unescape(note).trim() }),
    ...(activity !== undefined && { activity }),
  };
}

/** The presence of a user (RFC 3856): reachable when any device is registered, and what the devices have published. */
export function presenceDocument(
  aor: string,
  bindings: readonly Binding[],
  publications: readonly Publication[],
): StateDocument {
  const published = publications.flatMap(({ tag, state }) => {
    const parsed = presenceSchema.safeParse(state);
    return parsed.success ? [{ tag, ...parsed.data }] : [];
  });
  const basic = bindings.length > 0 ? "open" : "closed";
  const activities = [...new Set(published.flatMap(({ activity }) => activity ?? []))];
  const ends = [
    ...bindings.map(({ expiresAtMs }) => expiresAtMs),
    ...publications.map(({ endsAtMs }) => endsAtMs),
  ];
  const nextAtMs = Math.min(...ends);
  const body = xmlDocument(
    `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"` +
      ` xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="${escapeXml(aor)}">`,
    `  <tuple id="registration"><status><basic>${basic}</basic></status><contact>${escapeXml(aor)}</contact></tuple>`,
    ...published.map(
      (one, i) =>
        `  <tuple id="published-${i + 1}"><status><basic>${one.basic}</basic></status>` +
        `${one.note === undefined ? "" : `<note>${escapeXml(one.note)}</note>`}</tuple>`,
    ),
    activities.length === 0
      ? ""
      : `  <dm:person id="person"><rpid:activities>${activities.map((name) => `<rpid:${name}/>`).join("")}</rpid:activities></dm:person>`,
    `</presence>`,
  );
  return { write: () => body, ...(Number.isFinite(nextAtMs) && { nextAtMs }) };
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const unescape = (text: string): string =>
  text.replace(/&(amp|lt|gt|quot|apos);/g, (whole, name: string) => ENTITIES[name] ?? whole);
