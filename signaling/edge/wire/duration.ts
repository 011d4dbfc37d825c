/** `2s` or `1500ms` in ms; undefined for none. */
export function durationOf(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,7})(ms|s)$/.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits) * (unit === "ms" ? 1 : 1_000);
}
