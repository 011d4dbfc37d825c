/** Mono 16-bit audio and its rate. */
export interface Wav {
  readonly rate: number;
  readonly samples: Int16Array;
}

const HEADER_BYTES = 44;
const PCM = 1;

/**
 * Reads a RIFF WAVE file: 16-bit PCM, the first channel of however many there are.
 *
 * @throws Error naming what is wrong with the file
 */
export function readWav(file: Uint8Array): Wav {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const tag = (at: number) =>
    at + 4 <= file.byteLength ? Buffer.from(file.subarray(at, at + 4)).toString("latin1") : "";
  if (tag(0) !== "RIFF" || tag(8) !== "WAVE") throw new Error("not a RIFF WAVE file");
  let format: { channels: number; rate: number } | undefined;
  for (let at = 12; at + 8 <= file.byteLength;) {
    const length = view.getUint32(at + 4, true);
    const body = at + 8;
    if (tag(at) === "fmt ") {
      if (body + 16 > file.byteLength) throw new Error("fmt chunk is cut");
      if (view.getUint16(body, true) !== PCM || view.getUint16(body + 14, true) !== 16)
        throw new Error("only 16-bit PCM is read");
      format = { channels: view.getUint16(body + 2, true), rate: view.getUint32(body + 4, true) };
    } else if (tag(at) === "data") {
      if (!format || format.channels === 0) throw new Error("data chunk before a usable fmt chunk");
      // A recorder that was killed leaves length 0 or 0xffffffff: take what is there.
      const bytes = length === 0 ? file.byteLength - body : Math.min(length, file.byteLength - body);
      const samples = new Int16Array(Math.floor(bytes / (2 * format.channels)));
      for (let i = 0; i < samples.length; i++)
        samples[i] = view.getInt16(body + i * 2 * format.channels, true);
      return { rate: format.rate, samples };
    }
    at = body + length + (length % 2);
  }
  throw new Error("no data chunk");
}

/** Writes a mono 16-bit PCM WAVE file. */
export function writeWav({ rate, samples }: Wav): Buffer {
  const file = Buffer.alloc(HEADER_BYTES + samples.length * 2);
  file.write("RIFF", 0, "latin1");
  file.writeUInt32LE(file.length - 8, 4);
  file.write("WAVEfmt ", 8, "latin1");
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(PCM, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(rate, 24);
  file.writeUInt32LE(rate * 2, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write("data", 36, "latin1");
  file.writeUInt32LE(samples.length * 2, 40);
  samples.forEach((sample, i) => file.writeInt16LE(sample, HEADER_BYTES + i * 2));
  return file;
}
