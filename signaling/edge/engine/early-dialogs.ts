import { dialogOfResponse, type DialogRecord } from "#signaling/edge/dialog/dialog.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import type { LegRecord } from "./record.ts";

/** Early dialogs that one INVITE of ours may have beside the latest; more To-tags replace the oldest. */
const MAX_FORKS = 8;

/** The dialog of a leg with the peer of this tag: the leg's own one, or another early one. */
export const dialogWith = (leg: LegRecord, tag: string | undefined): DialogRecord | undefined =>
  (tag === undefined || tag === leg.dialog?.remoteTag ? undefined : leg.forks?.[tag]) ?? leg.dialog;

/** The leg with one of its dialogs changed. */
export function withDialog(leg: LegRecord, dialog: DialogRecord): LegRecord {
  const { remoteTag } = dialog;
  if (remoteTag === undefined || leg.forks?.[remoteTag] === undefined || remoteTag === leg.dialog?.remoteTag)
    return { ...leg, dialog };
  return { ...leg, forks: { ...leg.forks, [remoteTag]: dialog } };
}

/**
 * What a provisional response or a 2xx makes of the dialogs of a leg (RFC 3261 §12.1.2, §13.2.2.4): another To-tag is another
 * early dialog, and the 2xx leaves the one that it confirms.
 */
export function learnDialog(leg: LegRecord, dialog: DialogRecord, response: SipMessage): LegRecord {
  const { tag } = response.to;
  const confirms = response.status >= 200;
  const { forks, ...rest } = leg;
  const forked =
    dialog.state === "early" &&
    tag !== undefined &&
    dialog.remoteTag !== undefined &&
    dialog.remoteTag !== tag;
  if (!forked) {
    const next = dialogOfResponse(dialog, response);
    return forks === undefined || !confirms ? { ...leg, dialog: next } : { ...rest, dialog: next };
  }
  const { [tag]: known, ...others } = forks ?? {};
  const { remoteTag: old = "", target: _target, remoteSeq: _seq, ...base } = dialog;
  // The count of our requests is one for all of them: gaps are allowed (§12.2.1.1), and a number is used once.
  const next = dialogOfResponse({ ...(known ?? base), localSeq: dialog.localSeq }, response);
  if (confirms) return { ...rest, dialog: next };
  const kept = Object.entries({ ...others, [old]: dialog }).slice(-MAX_FORKS);
  return { ...rest, dialog: next, forks: Object.fromEntries(kept) };
}
