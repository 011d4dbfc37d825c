import type { IncomingMessage } from "node:http";

/** Headers that stop here: credentials of this server, and what a client might claim of its address. */
const dropped: ReadonlySet<string> = new Set(["x-forwarded-for", "forwarded", "cookie", "authorization"]);

/** A WebSocket upgrade request as it goes on to the signaling process, with the client's address added. */
export function upgradeHead(request: Pick<IncomingMessage, "rawHeaders">, source: string): string {
  const lines = ["GET /sip HTTP/1.1"];
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i] ?? "";
    if (!dropped.has(name.toLowerCase())) lines.push(`${name}: ${request.rawHeaders[i + 1] ?? ""}`);
  }
  lines.push(`X-Forwarded-For: ${source}`, "", "");
  return lines.join("\r\n");
}
