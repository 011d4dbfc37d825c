/** In-place radix-2 Fourier transform; the length must be a power of two. `inverse` leaves out the division by length. */
export function fft(re: Float64Array, im: Float64Array, inverse = false): void {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [at(re, j), at(re, i)];
      [im[i], im[j]] = [at(im, j), at(im, i)];
    }
  }
  const { cos, sin } = rootsOf(n);
  const sign = inverse ? 1 : -1;
  for (let size = 2; size <= n; size *= 2) {
    const stride = n / size;
    for (let start = 0; start < n; start += size)
      for (let k = 0; k < size / 2; k++) {
        const [c, s] = [at(cos, k * stride), sign * at(sin, k * stride)];
        const [a, b] = [start + k, start + k + size / 2];
        const tr = at(re, b) * c - at(im, b) * s;
        const ti = at(re, b) * s + at(im, b) * c;
        re[b] = at(re, a) - tr;
        im[b] = at(im, a) - ti;
        re[a] = at(re, a) + tr;
        im[a] = at(im, a) + ti;
      }
  }
}

const known = new Map<number, { cos: Float64Array; sin: Float64Array }>();

/** cos and sin of 2πk/n for half a turn, made once for each length. */
function rootsOf(n: number): { cos: Float64Array; sin: Float64Array } {
  const made = known.get(n);
  if (made) return made;
  const angles = Float64Array.from({ length: n / 2 }, (_, k) => (2 * Math.PI * k) / n);
  const roots = { cos: angles.map(Math.cos), sin: angles.map(Math.sin) };
  known.set(n, roots);
  return roots;
}

const at = (values: Float64Array, i: number): number => values[i] ?? 0;
