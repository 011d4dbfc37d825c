/** `4:text,` as baresip's control socket frames its messages. */
export const toNetstring = (text: string): string => `${Buffer.byteLength(text)}:${text},`;

/** Cuts a stream into netstrings; what is none ends the reading. */
export function netstrings(onText: (text: string) => void): (chunk: Buffer) => void {
  let buffer = Buffer.alloc(0);
  return (chunk) => {
    buffer = Buffer.concat([buffer, chunk]);
    for (;;) {
      const colon = buffer.indexOf(":");
      if (colon < 1) return;
      const length = Number(buffer.toString("latin1", 0, colon));
      if (!Number.isInteger(length) || length > 1 << 20) throw new Error("not a netstring");
      if (buffer.length < colon + length + 2) return;
      onText(buffer.toString("utf8", colon + 1, colon + 1 + length));
      buffer = buffer.subarray(colon + length + 2);
    }
  };
}
