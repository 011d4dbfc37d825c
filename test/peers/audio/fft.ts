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
  for (let size = 2; size <= n; size *= 2) {
    const angle = ((inverse ? 2 : -2) * Math.PI) / size;
    for (let start = 0; start < n; start += size)
      for (let k = 0; k < size / 2; k++) {
        const [c, s] = [Math.cos(angle * k), Math.sin(angle * k)];
        const [a, b] = [start + k, start + k + size / 2];
        const tr = at(re, b) * c - at(im, b) * s;
        const ti = at(re, b) * s + at(im, b) * c;
        [re[b], im[b]] = [at(re, a) - tr, at(im, a) - ti];
        [re[a], im[a]] = [at(re, a) + tr, at(im, a) + ti];
      }
  }
}

const at = (values: Float64Array, i: number): number => values[i] ?? 0;
