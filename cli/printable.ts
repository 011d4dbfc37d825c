/** A line that a terminal cannot take for commands to itself: peers choose much of what a trace holds. */
export const printable = (line: string): string =>
  // eslint-disable-next-line no-control-regex -- that is what is replaced
  line.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
