/**
 * One line of a table in the terminal. A text that does not fit its column is cut, so that the columns behind it stay in place.
 *
 * @param widths in characters, the gap behind included; 0 for a column that takes what it needs
 */
export const tableLine = (texts: readonly string[], widths: readonly number[]): string =>
  texts
    .map((text, i) => {
      const width = widths[i] ?? 0;
      return width === 0 ? text : text.slice(0, width - 1).padEnd(width);
    })
    .join("")
    .trimEnd();
