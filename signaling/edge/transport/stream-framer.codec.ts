/** What a stream holds: messages, and keepalives between them (RFC 5626 §3.5.1: CRLFCRLF asks, CRLF answers). */
export type StreamItem =
  | { readonly kind: "message"; readonly text: string }
  | { readonly kind: "ping" }
  | { readonly kind: "broken"; readonly status: number; readonly reason: string; readonly text: string };

export interface StreamFramer {
  /** Takes the next piece of the stream (latin1). After a `broken` item the stream has no more items: close it. */
  push(chunk: string): StreamItem[];
  /** Bytes held back because a message is not complete. */
  readonly held: number;
}

/** RFC 3261 §18.3: on a stream only Content-Length says where a message ends. */
export function createStreamFramer(maxMessageBytes: number): StreamFramer {
  let held = "";
  let broken = false;
  /** Where to look for the blank line, so that a message fed byte by byte is not searched from its start each time. */
  let searched = 0;

  const next = (): StreamItem | undefined => {
    if (held.startsWith("\r\n\r\n")) {
      held = held.slice(4);
      return { kind: "ping" };
    }
    if (held.startsWith("\r\n") && held.length > 2 && held[2] !== "\r") {
      held = held.slice(2);
      searched = 0;
    }
    if (held === "" || held === "\r" || held.startsWith("\r\n")) return undefined;
    const blank = held.indexOf("\r\n\r\n", searched);
    if (blank === -1) {
      searched = Math.max(0, held.length - 3);
      return held.length > maxMessageBytes ? fail(513, "Message Too Large", held.length) : undefined;
    }
    const length = contentLength(held.slice(0, blank + 2));
    if (length === undefined) return fail(400, "Missing or Bad Content-Length", blank + 4);
    const end = blank + 4 + length;
    if (end > maxMessageBytes) return fail(513, "Message Too Large", blank + 4);
    if (held.length < end) {
      searched = blank;
      return undefined;
    }
    const text = held.slice(0, end);
    held = held.slice(end);
    searched = 0;
    return { kind: "message", text };
  };

  const fail = (status: number, reason: string, end: number): StreamItem => {
    const text = held.slice(0, Math.min(end, maxMessageBytes));
    broken = true;
    held = "";
    return { kind: "broken", status, reason, text };
  };

  return {
    get held() {
      return held.length;
    },
    push(chunk) {
      const items: StreamItem[] = [];
      if (broken) return items;
      held += chunk;
      for (let item = next(); item !== undefined; item = next()) {
        items.push(item);
        if (item.kind === "broken") break;
      }
      return items;
    },
  };
}

/** Undefined when missing, repeated with another value, or no number. */
function contentLength(head: string): number | undefined {
  let length: number | undefined;
  for (const match of head.matchAll(/\r\n(?:content-length|l)[ \t]*:\s*([^\r\n]*)/gi)) {
    const value = (match[1] ?? "").trim();
    if (!/^\d{1,9}$/.test(value) || (length !== undefined && length !== Number(value))) return undefined;
    length = Number(value);
  }
  return length;
}
