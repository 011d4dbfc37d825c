import { createHash } from "node:crypto";
import type { Binding } from "#state/registration/binding.ts";
import type { StateDocument } from "./event-package.ts";
import { escapeXml, xmlDocument } from "./xml.ts";

/** The registration of a user (RFC 3680), with its contacts that stand. */
export function regDocument(aor: string, bindings: readonly Binding[]): StateDocument {
  const sorted = bindings.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const contacts = sorted.map(({ uri, key, q, userAgent }) => {
    const preference = q === 1_000 ? "" : ` q="${q / 1_000}"`;
    const agent =
      userAgent === undefined
        ? ""
        : `<unknown-param name="user-agent">${escapeXml(userAgent)}</unknown-param>`;
    return `    <contact id="${idOf(key)}" state="active" event="registered"${preference}><uri>${escapeXml(uri)}</uri>${agent}</contact>`;
  });
  const nextAtMs = Math.min(...bindings.map(({ expiresAtMs }) => expiresAtMs));
  return {
    write: (version) =>
      xmlDocument(
        `<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="${version}" state="full">`,
        `  <registration aor="${escapeXml(aor)}" id="${idOf(aor)}" state="${bindings.length > 0 ? "active" : "init"}">`,
        ...contacts,
        `  </registration>`,
        `</reginfo>`,
      ),
    ...(Number.isFinite(nextAtMs) && { nextAtMs }),
  };
}

const idOf = (text: string): string => `r${createHash("sha256").update(text).digest("hex").slice(0, 12)}`;
