/** Text inside an element or a quoted attribute. What is not ASCII becomes a reference, so that characters are bytes. */
export const escapeXml = (text: string): string =>
  text
    .toWellFormed()
    .replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
    // eslint-disable-next-line no-control-regex -- XML 1.0 §2.2: other control characters cannot be written at all
    .replace(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, "")
    .replace(/[\u{80}-\u{10ffff}]/gu, (char) => `&#${char.codePointAt(0) ?? 0xfffd};`);

/** A document from its lines. */
export const xmlDocument = (...lines: readonly string[]): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n${lines.filter((line) => line !== "").join("\n")}\n`;
