import { isIP } from "node:net";
import { parseUri, type SipUri } from "#signaling/edge/message/uri.ts";

/** A peer as provisioning writes it, taken apart. */
export interface Peer {
  /** As it is written: its name in the directory, in logs and in keys. */
  readonly text: string;
  /** Without brackets. */
  readonly host: string;
  readonly port: number | undefined;
  readonly transport: "udp" | "tcp" | "tls";
}

/** Reads `host:port;transport=tcp`; the schema has seen to the form. */
export function peerOf(text: string): Peer {
  const [, host = "", port, transport = "udp"] =
    /^(\[[^\]]+\]|[^:;]+)(?::(\d+))?(?:;transport=(\w+))?$/.exec(text) ?? [];
  return {
    text,
    host: host.replace(/^\[|\]$/g, "").toLowerCase(),
    port: port === undefined ? undefined : Number(port),
    transport: transport as Peer["transport"],
  };
}

/** The URI of a number, or of nothing, at a peer. */
export function uriAt({ host, port, transport }: Peer, user?: string, phone = false): string {
  const at = `${isIP(host) === 6 ? `[${host}]` : host}${port === undefined ? "" : `:${port}`}`;
  const params = `${transport === "udp" ? "" : `;transport=${transport}`}${phone ? ";user=phone" : ""}`;
  return `sip:${user === undefined ? "" : `${user}@`}${at}${params}`;
}

/** The same, to be looked up. */
export const lookupUri = (peer: Peer): SipUri | undefined => parseUri(uriAt(peer));
