import type { InboundNumber, Trunk } from "#state/directory/trunk-schema.ts";

/** What a trunk says of the numbers that it gives and takes. */
export type Numbering = Pick<
  Trunk,
  "countryCode" | "nationalPrefix" | "internationalPrefix" | "numberFormat"
>;

const VISUAL_SEPARATORS = /[-.()\s]/g;
const E164 = /^\+[1-9]\d{6,14}$/;
/** Shorter ones are service numbers of a country: never made international by guessing. */
const MIN_LOCAL_DIGITS = 7;

/**
 * A number as the trunk writes it, or as somebody dialled it, in E.164 form; undefined when it is none. Without + the
 * prefixes decide, then the country code: `0301234567` and `301234567` are +49301234567 in a country 49 with prefix 0.
 */
export function toE164(
  text: string,
  { countryCode, nationalPrefix, internationalPrefix }: Numbering,
): string | undefined {
  const number = text.replace(VISUAL_SEPARATORS, "");
  if (number.startsWith("+")) return E164.test(number) ? number : undefined;
  if (!/^\d+$/.test(number) || number.length < MIN_LOCAL_DIGITS) return undefined;
  const whole = ((): string => {
    if (internationalPrefix !== undefined && number.startsWith(internationalPrefix))
      return number.slice(internationalPrefix.length);
    if (countryCode === undefined) return number;
    if (nationalPrefix !== undefined && number.startsWith(nationalPrefix))
      return countryCode + number.slice(nationalPrefix.length);
    return number.startsWith(countryCode) ? number : countryCode + number;
  })();
  return E164.test(`+${whole}`) ? `+${whole}` : undefined;
}

/** An E.164 number as the trunk wants it written. */
export function fromE164(number: string, numbering: Numbering): string {
  const { countryCode, nationalPrefix = "", internationalPrefix = "" } = numbering;
  const digits = number.slice(1);
  switch (numbering.numberFormat) {
    case "e164":
      return number;
    case "digits":
      return digits;
    case "national":
      return countryCode !== undefined && digits.startsWith(countryCode)
        ? nationalPrefix + digits.slice(countryCode.length)
        : internationalPrefix + digits;
  }
}

/** The entry that a number leads to: an exact one before a range, a range before a prefix, the longest of prefixes. */
export function inboundOf(entries: readonly InboundNumber[], number: string): InboundNumber | undefined {
  let best: InboundNumber | undefined;
  let bestRank = -1;
  for (const entry of entries) {
    const rank = rankOf(entry, number);
    if (rank > bestRank) [best, bestRank] = [entry, rank];
  }
  return best;
}

/** True when any number leads to this group or user. */
export const inboundLeadsTo = (entries: readonly InboundNumber[], id: string): boolean =>
  entries.some(({ to }) => to === id);

function rankOf({ did, prefix, from, until }: InboundNumber, number: string): number {
  if (did !== undefined) return did === number ? 100 : -1;
  if (prefix !== undefined) return number.startsWith(prefix) ? prefix.length : -1;
  const within =
    from !== undefined &&
    until !== undefined &&
    number.length === from.length &&
    from <= number &&
    number <= until;
  return within ? 50 : -1;
}
