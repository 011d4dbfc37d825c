import { createHash } from "node:crypto";
import type { UserDialog } from "./dialogs-of.ts";
import type { StateDocument } from "./event-package.ts";
import { escapeXml, xmlDocument } from "./xml.ts";

/** A user's dialog with what names it in SIP, for those who may take it over (RFC 3891). */
export interface ShownDialog extends UserDialog {
  readonly names?: { readonly callId: string; readonly localTag: string };
}

/** The calls of a user (RFC 4235), as a lamp beside a name shows them. */
export function dialogDocument(aor: string, dialogs: readonly ShownDialog[]): StateDocument {
  const lines = dialogs
    .toSorted((a, b) => (a.leg < b.leg ? -1 : 1))
    .flatMap(({ leg, direction, state, remote, names }) => [
      `  <dialog id="${idOf(leg)}"${names ? ` call-id="${escapeXml(names.callId)}" local-tag="${escapeXml(names.localTag)}" remote-tag="${escapeXml(leg)}"` : ""} direction="${direction}">`,
      `    <state>${state}</state>`,
      `    <local><identity>${escapeXml(aor)}</identity></local>`,
      `    <remote><identity${remote.name === "" ? "" : ` display="${escapeXml(remote.name)}"`}>${escapeXml(remote.uri)}</identity></remote>`,
      `  </dialog>`,
    ]);
  return {
    write: (version) =>
      xmlDocument(
        `<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="${version}" state="full" entity="${escapeXml(aor)}">`,
        ...lines,
        `</dialog-info>`,
      ),
  };
}

/** Says nothing of the leg's id, which is a tag of ours and lets its knower speak in the dialog. */
const idOf = (leg: string): string => `d${createHash("sha256").update(leg).digest("hex").slice(0, 16)}`;
