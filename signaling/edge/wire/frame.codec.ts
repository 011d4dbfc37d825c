/**
 * Framing of drachtio's client protocol, both ways:
 *
 *   <length>#<token>|<token>|…[CRLF <SIP message>]       length: decimal count of the bytes behind the `#`
 *
 * Text is latin1 here (a character is a byte), so that SIP messages pass as they are.
 */
export const MAX_FRAME_BYTES = 99_999;
const MAX_LENGTH_DIGITS = 5;

export interface FrameDecoder {
  /** Takes the next bytes; returns the frames that are complete. Undefined: not this protocol, close the connection. */
  push(bytes: string): string[] | undefined;
}

/** Cuts a stream into frames, however it is split. */
export function createFrameDecoder(): FrameDecoder {
  let held = "";
  let broken = false;
  return {
    push(bytes) {
      if (broken) return undefined;
      held += bytes;
      const frames: string[] = [];
      for (;;) {
        const hash = held.indexOf("#");
        const digits = hash === -1 ? held : held.slice(0, hash);
        if (
          digits.length > MAX_LENGTH_DIGITS ||
          !/^\d*$/.test(digits) ||
          (hash !== -1 && !(Number(digits) > 0))
        ) {
          broken = true;
          held = "";
          return frames.length > 0 ? frames : undefined;
        }
        if (hash === -1) return frames;
        const end = hash + 1 + Number(digits);
        if (held.length < end) return frames;
        frames.push(held.slice(hash + 1, end));
        held = held.slice(end);
      }
    },
  };
}

/** Writes one frame. Undefined when it would be longer than the protocol allows. */
export function encodeFrame(tokens: readonly (string | number)[], payload?: string): string | undefined {
  const leader = tokens.join("|");
  const text = payload === undefined ? leader : `${leader}\r\n${payload}`;
  return text.length > MAX_FRAME_BYTES ? undefined : `${text.length}#${text}`;
}
