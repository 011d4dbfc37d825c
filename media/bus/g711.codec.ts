/** ITU-T G.711, by tables: 256 entries to decode, 65,536 to encode. */
export interface G711 {
  /** One octet to a 16-bit sample. */
  readonly toLinear: Int16Array;
  /** One sample, as an unsigned 16-bit index, to an octet. */
  readonly toCode: Uint8Array;
  /** The code of silence. */
  readonly silence: number;
}

/** Expands octets into `pcm`, which holds as many samples. */
export function decodeG711(law: G711, octets: Uint8Array, pcm: Int16Array): void {
  for (let i = 0; i < octets.length; i++) pcm[i] = law.toLinear[octets[i] ?? 0] ?? 0;
}

/** Compresses samples into octets, one each. */
export function encodeG711(law: G711, pcm: Int16Array, octets: Uint8Array): void {
  for (let i = 0; i < pcm.length; i++) octets[i] = law.toCode[(pcm[i] ?? 0) & 0xffff] ?? 0;
}

/** G.711 table 2a: inverted octet, sign, 3-bit segment, 4-bit step; bias 33 of the 14-bit scale. */
function expandMu(code: number): number {
  const inverted = ~code & 0xff;
  const magnitude = ((((inverted & 0x0f) << 3) + 0x84) << ((inverted >> 4) & 7)) - 0x84;
  return inverted & 0x80 ? -magnitude : magnitude;
}

/** G.711 table 1a: even bits inverted, segment 0 and 1 share one step size. */
function expandA(code: number): number {
  const toggled = code ^ 0x55;
  const segment = (toggled >> 4) & 7;
  const step = ((toggled & 0x0f) << 4) + 8;
  const magnitude = segment === 0 ? step : (step + 0x100) << (segment - 1);
  return toggled & 0x80 ? magnitude : -magnitude;
}

/** The code whose value is nearest to each sample: right by construction for every input. */
function invert(toLinear: Int16Array): Uint8Array {
  const byValue = [...toLinear]
    .map((value, code) => ({ value, code }))
    .sort((a, b) => a.value - b.value || b.code - a.code);
  const toCode = new Uint8Array(65_536);
  let at = 0;
  for (let sample = -32_768; sample <= 32_767; sample++) {
    for (;;) {
      const [here, next] = [byValue[at], byValue[at + 1]];
      if (!here || !next || Math.abs(next.value - sample) > Math.abs(here.value - sample)) break;
      at++;
    }
    toCode[sample & 0xffff] = byValue[at]?.code ?? 0;
  }
  return toCode;
}

function law(expand: (code: number) => number, silence: number): G711 {
  const toLinear = Int16Array.from({ length: 256 }, (_, code) => expand(code));
  const toCode = invert(toLinear);
  toCode[0] = silence;
  return { toLinear, toCode, silence };
}

export const pcmu: G711 = law(expandMu, 0xff);
export const pcma: G711 = law(expandA, 0xd5);
