/** The mids of the lines on which an offer takes our audio and our camera: the first of each kind that it receives. */
export function linesTaken(offer: string): { audio?: string; video?: string } {
  const taken: { audio?: string; video?: string } = {};
  for (const section of offer.split(/\r?\n(?=m=)/).slice(1)) {
    const [, kind, port] = /^m=(\w+) (\d+)/.exec(section) ?? [];
    const mid = /^a=mid:(\S+)/m.exec(section)?.[1];
    const direction = /^a=(sendrecv|sendonly|recvonly|inactive)\s*$/m.exec(section)?.[1] ?? "sendrecv";
    // Port 0 is a refused line (RFC 3264 §6).
    if (mid === undefined || port === "0" || (direction !== "sendrecv" && direction !== "recvonly")) continue;
    if (kind === "audio" || kind === "video") taken[kind] ??= mid;
  }
  return taken;
}
