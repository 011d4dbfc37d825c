/** Writes one line to a terminal. The only places that print for people are in `cli/`. */
export function tell(stream: NodeJS.WritableStream, line: string): void {
  stream.write(`${line}\n`);
}
