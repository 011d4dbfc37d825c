import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { Flow, SipCommand } from "#signaling/sip-port/sip-port.ts";

/** How the server knows what we know by leg. */
export interface ServerIds {
  /** Dialog id of a leg. */
  dialogOf(leg: string): string;
  /** Client transaction of a leg's INVITE. */
  inviteOf(leg: string): string;
}

/**
 * `follow` has no frame: where a connection of a remote server has gone is that server's affair. Nor have `account` and
 * `authorize`: the protocol knows no accounts, see account-requests.ts.
 */
export type Encodable = Exclude<SipCommand, { type: "follow" | "account" | "authorize" }>;

/** The edge takes a new request's leg from this header, so that responses come back addressed. */
const LEG_HEADER = "X-Crossband-Leg";
/** The server knows where the peer of a dialog is. */
const PLACEHOLDER = "sip:placeholder";

/**
 * Writes a command as the server takes it, without message id: `sip|<txn>|<dialog>[|<hop>] CRLF <message>`.
 *
 * @throws CrossbandError HEADER_INVALID when a value holds CR, LF or NUL: the server would take it for two headers
 */
export function encodeCommand(command: Encodable, ids: ServerIds): string {
  switch (command.type) {
    case "reply": {
      const reliable = command.reliable === true ? ([["Require", "100rel"]] as const) : [];
      const headers = [...reliable, ...(command.headers ?? [])];
      return frame(command.txn, "", "", `SIP/2.0 ${command.status} ${command.reason ?? ""}`, {
        ...command,
        headers,
      });
    }
    case "request": {
      const own = [[LEG_HEADER, command.leg], ["From", command.from], ["To", command.to]] as const; // prettier-ignore
      // The server puts its address in the place of this host.
      const contact = command.contactUser === undefined ? [] : [["Contact", `<sip:${command.contactUser}@localhost>`] as const]; // prettier-ignore
      const headers = [...own, ...contact, ...(command.headers ?? [])];
      return frame("", "", hopOf(command.flow), `${command.method} ${command.uri} SIP/2.0`, {
        ...command,
        headers,
      });
    }
    case "in-dialog":
      return frame("", ids.dialogOf(command.leg), "", `${command.method} ${PLACEHOLDER} SIP/2.0`, command);
    case "ack":
      return frame("", ids.dialogOf(command.leg), "", `ACK ${PLACEHOLDER} SIP/2.0`, command);
    case "prack": {
      const headers = [["RAck", command.rack]] as const;
      return frame("", ids.dialogOf(command.leg), "", `PRACK ${PLACEHOLDER} SIP/2.0`, {
        ...command,
        headers,
      });
    }
    case "cancel":
      return frame(ids.inviteOf(command.leg), "", "", `CANCEL ${PLACEHOLDER} SIP/2.0`, {});
  }
}

interface Content {
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string;
  readonly contentType?: string;
}

function frame(txn: string, dialog: string, hop: string, start: string, content: Content): string {
  const { body = "", contentType, headers = [] } = content;
  const lines = [start];
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  if (contentType !== undefined && body !== "") lines.push(`Content-Type: ${contentType}`);
  lines.push(`Content-Length: ${body.length}`);
  const leader = `sip|${txn}|${dialog}${hop === "" ? "" : `|${hop}`}`;
  if ([leader, ...lines].some((line) => /[\r\n\0]/.test(line)) || (txn + dialog + hop).includes("|"))
    throw new CrossbandError(ErrorCode.HeaderInvalid, "header may not be written", {
      start: start.split(" ", 1)[0],
    });
  return `${leader}\r\n${lines.join("\r\n")}\r\n\r\n${body}`;
}

/** A way back as a next hop. A socket of an edge, and what a peer has to prove, are named by parameters that only our edge knows. */
function hopOf(flow: Flow | undefined): string {
  if (!flow) return "";
  const host = flow.host.includes(":") ? `[${flow.host}]` : flow.host;
  const socket =
    flow.instance === undefined || flow.connection === undefined
      ? ""
      : `;instance=${flow.instance};connection=${flow.connection}`;
  const name = flow.name === undefined ? "" : `;name=${flow.name}`;
  return `sip:${host}:${flow.port};transport=${flow.transport}${socket}${name}`;
}
