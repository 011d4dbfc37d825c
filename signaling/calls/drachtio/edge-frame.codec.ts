/** What a drachtio server says to us. Text is latin1: a character is a byte. */
export type EdgeFrame =
  | {
      readonly type: "sip";
      readonly source: "network" | "application";
      readonly protocol: string;
      readonly address: string;
      readonly port: number;
      readonly txn: string;
      /** "" outside dialogs. */
      readonly dialog: string;
      readonly text: string;
    }
  | {
      readonly type: "reply";
      /** The frame of ours that is answered. */
      readonly to: string;
      readonly ok: boolean;
      /** Why not. */
      readonly reason: string;
      readonly txn: string;
      readonly dialog: string;
      /** What was sent, as it was sent. */
      readonly text: string;
    };

/** Below this a `sip` frame names no transaction and dialog. */
const SIP_TOKENS = 10;

/** Reads a frame; undefined for kinds that call control has no use for, and for what is malformed. */
export function decodeEdgeFrame(frame: string): EdgeFrame | undefined {
  const lineEnd = frame.indexOf("\r\n");
  const tokens = (lineEnd === -1 ? frame : frame.slice(0, lineEnd)).split("|");
  const text = lineEnd === -1 ? "" : frame.slice(lineEnd + 2);
  const at = (index: number): string => tokens[index] ?? "";
  if (at(1) === "response") {
    const ok = at(3) === "OK";
    return {
      type: "reply",
      to: at(2),
      ok,
      reason: ok ? "" : at(4),
      txn: at(10),
      dialog: at(11) === "Msg sent:" ? "" : at(11),
      text,
    };
  }
  if (at(1) !== "sip" || tokens.length < SIP_TOKENS || text === "") return undefined;
  const source = at(2);
  if (source !== "network" && source !== "application") return undefined;
  const peer = { protocol: at(4), address: at(5), port: Number(at(6)) || 0 };
  return { type: "sip", source, ...peer, txn: at(8), dialog: at(9), text };
}
