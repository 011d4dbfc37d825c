import { headerSpelling } from "#signaling/edge/message/header-name.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";

/**
 * A message as the client library reads it: long header names and no folds, which it would keep as they are or, for `e`,
 * take for another header. Most messages have neither and pass untouched.
 */
export function longForm(message: SipMessage): string {
  const head = message.text.slice(0, message.text.length - message.body.length);
  if (!/\r\n(?:[A-Za-z][ \t]*:|[ \t])/.test(head)) return message.text;
  const start = head.slice(0, head.indexOf("\r\n"));
  const lines = message
    .headerLines()
    .map(([name, value]) => `${name.length === 1 ? headerSpelling(name) : name}: ${value}\r\n`);
  return `${start}\r\n${lines.join("")}\r\n${message.body}`;
}
