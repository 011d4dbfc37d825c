/** What of a session description says where media goes, which way, and under which keys; codecs' parameters do not. */
const PLACE = /^(?:[cm]=.*|a=(?:sendrecv|sendonly|recvonly|inactive|crypto:.*|fingerprint:.*))$/gim;

/**
 * Where a session description (RFC 4566) wants its media. Two of the same peer that have the same place need not be told to
 * whoever sends to it; versions, names and times may differ.
 */
export const mediaPlaceOf = (sdp: string): string =>
  [...sdp.replaceAll("\r", "").matchAll(PLACE)].map(([line]) => line.trim()).join("\n");
