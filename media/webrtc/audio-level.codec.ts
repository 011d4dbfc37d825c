/** RFC 8285 §4.2: extensions in the one-byte form. */
const ONE_BYTE_FORM = 0xbede;
const PADDING_ID = 0;
const LAST_ID = 15;

/**
 * How quiet an RTP packet says it is (RFC 6464): 0 is the loudest, 127 silence; undefined when it does not say.
 *
 * ```
 *  0                   1
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
 * |  ID   | len=0 |V|    level    |
 * ```
 */
export function quietnessOf(
  extension: { readonly profile: number; readonly body: Uint8Array } | undefined,
  id: number,
): number | undefined {
  if (extension?.profile !== ONE_BYTE_FORM) return undefined;
  const { body } = extension;
  for (let at = 0; at < body.length;) {
    const head = body[at] ?? 0;
    const elementId = head >> 4;
    if (elementId === LAST_ID) return undefined;
    if (elementId === PADDING_ID) at += 1;
    else if (elementId !== id) at += 2 + (head & 0x0f);
    else return at + 1 < body.length ? (body[at + 1] ?? 0) & 0x7f : undefined;
  }
  return undefined;
}
