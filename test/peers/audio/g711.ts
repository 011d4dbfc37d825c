/** G.711 for the test peers, straight from the segments of ITU-T G.711 and apart from the product's codec, so that it can judge it. */

const ULAW_BIAS = 0x84;
const ULAW_CLIP = 32_635;

export const encodeUlaw = (samples: Int16Array): Uint8Array => Uint8Array.from(samples, ulawOctet);
export const decodeUlaw = (octets: Uint8Array): Int16Array => Int16Array.from(octets, ulawSample);
export const encodeAlaw = (samples: Int16Array): Uint8Array => Uint8Array.from(samples, alawOctet);
export const decodeAlaw = (octets: Uint8Array): Int16Array => Int16Array.from(octets, alawSample);

function ulawOctet(sample: number): number {
  const sign = sample < 0 ? 0x80 : 0;
  const magnitude = Math.min(Math.abs(sample), ULAW_CLIP) + ULAW_BIAS;
  const segment = 24 - Math.clz32(magnitude);
  return ~(sign | (segment << 4) | ((magnitude >> (segment + 3)) & 0x0f)) & 0xff;
}

function ulawSample(octet: number): number {
  const bits = ~octet & 0xff;
  const segment = (bits >> 4) & 7;
  const magnitude = ((((bits & 0x0f) << 3) + ULAW_BIAS) << segment) - ULAW_BIAS;
  return (bits & 0x80) === 0 ? magnitude : -magnitude;
}

function alawOctet(sample: number): number {
  const positive = sample >= 0;
  const magnitude = (positive ? sample : -sample - 1) >> 4;
  const segment = magnitude < 16 ? 0 : 28 - Math.clz32(magnitude);
  const step = (magnitude >> Math.max(0, segment - 1)) & 0x0f;
  return ((positive ? 0x80 : 0) | (segment << 4) | step) ^ 0x55;
}

function alawSample(octet: number): number {
  const bits = octet ^ 0x55;
  const segment = (bits >> 4) & 7;
  const step = ((bits & 0x0f) << 4) + 8;
  const magnitude = segment === 0 ? step : (step + 0x100) << (segment - 1);
  return (bits & 0x80) === 0 ? -magnitude : magnitude;
}
