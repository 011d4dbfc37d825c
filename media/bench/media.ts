import { createSocket } from "node:dgram";
import { once } from "node:events";
import { silent } from "#common/log.ts";
import type { GroupPolicy } from "#common/media-control.ts";
import { FRAME_SAMPLES, type Frame } from "#media/bus/frame.ts";
import { pcmu, decodeG711 } from "#media/bus/g711.codec.ts";
import { Downsampler, Upsampler } from "#media/bus/half-band.ts";
import { JitterBuffer } from "#media/bus/jitter-buffer.ts";
import { OpusDecoder, OpusEncoder } from "#media/bus/opus.ts";
import { TalkGroup } from "#media/group/talk-group.ts";
import { FakeClock } from "#media/testing/fake-clock.ts";
import { PhoneLeg } from "#media/rtp/phone-leg.ts";
import { PortPool } from "#media/rtp/port-pool.ts";
import { readRtp } from "#media/rtp/read-rtp.ts";
import { RtpStream } from "#media/rtp/write-rtp.ts";

const FRAMES = 2_000;
/** What a frame may cost a phone that only listens, its system call included, in ns (reference: dgram alone takes 3,650). */
const LISTENER_LIMIT_NS = 15_000;

/** One measured step: what, and ns for each frame. */
export interface MediaCost {
  readonly what: string;
  readonly nsPerFrame: number;
}

/** Measures the processor time of the audio path, on one core. @param listeners phones in the half-duplex group */
export async function benchMedia(listeners = 100): Promise<MediaCost[]> {
  return [...codecCosts(), ...(await groupCosts(listeners))];
}

export const mediaBenchmark = {
  about: "audio: ns a frame of each step, and of a phone that listens (listeners=100)",
  async run(options: ReadonlyMap<string, string>): Promise<number> {
    const costs = await benchMedia(Number(options.get("listeners") ?? 100));
    for (const { what, nsPerFrame } of costs)
      process.stdout.write(`${nsPerFrame.toFixed(0).padStart(10)} ns  ${what}\n`);
    const listener = costs.at(-1)?.nsPerFrame ?? Infinity;
    return listener <= LISTENER_LIMIT_NS ? 0 : 1;
  },
};

function measure(what: string, task: (i: number) => void, frames = FRAMES): MediaCost {
  for (let i = 0; i < 200; i++) task(i);
  const before = processorNs();
  for (let i = 0; i < frames; i++) task(i);
  return { what, nsPerFrame: (processorNs() - before) / frames };
}

/** Processor time of this thread: the machine may be busy with other things. */
function processorNs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) * 1_000;
}

function codecCosts(): MediaCost[] {
  const wide: Frame = Int16Array.from({ length: FRAME_SAMPLES }, (_, i) =>
    Math.round(8_000 * Math.sin(i / 3)),
  );
  const [up, down, encoder, decoder, stream] = [
    new Upsampler(160),
    new Downsampler(160),
    new OpusEncoder(),
    new OpusDecoder(),
    new RtpStream(8_000),
  ];
  const [narrow, octets] = [new Int16Array(160), new Uint8Array(160).fill(0x55)];
  const packet = encoder.encode(wide);
  const datagram = stream.write({ payloadType: 0, payload: octets, atMs: 0 });
  const buffer = new JitterBuffer({ rate: 8_000, clockRate: 8_000 });
  return [
    measure("read an RTP packet", () => void readRtp(datagram)),
    measure(
      "write an RTP packet",
      (i) => void stream.write({ payloadType: 0, payload: octets, atMs: 20 * i }),
    ),
    measure("decode PCMU", () => {
      decodeG711(pcmu, octets, narrow);
    }),
    measure("jitter buffer, in and out", (i) => {
      buffer.put(1, 160 * i, narrow, 20 * i);
      buffer.take(20 * i + 10);
    }),
    measure("8 to 16 kHz", () => void up.process(narrow)),
    measure("16 to 8 kHz", () => void down.process(wide)),
    measure("encode Opus", () => void encoder.encode(wide)),
    measure("decode Opus", () => void decoder.decode(packet)),
  ];
}

/** A half-duplex group on real sockets: one talks, the others listen. The clock is ours, so beats follow each other at once. */
async function groupCosts(listeners: number): Promise<MediaCost[]> {
  const sink = createSocket("udp4").bind(0, "127.0.0.1");
  await once(sink, "listening");
  const clock = new FakeClock();
  const policy: GroupPolicy = {
    id: "bench",
    name: "bench",
    mode: "half-duplex",
    maxTalkMs: 600_000,
    hangMs: 0,
    queue: false,
    phonePtt: "dtmf",
  };
  const host = { publish: noop, changed: noop, ended: noop, count: noop, late: noop };
  const group = new TalkGroup(policy, host, clock, silent);
  const rtp = {
    host: "127.0.0.1",
    advertised: "127.0.0.1",
    ports: new PortPool(30_000, 39_999),
    silentLegMs: 1e9,
    clock,
    log: silent,
    count: noop,
    jitter: noop,
  };
  const port = sink.address().port;
  const sdp = `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio ${port} RTP/AVP 0\r\n`;
  const legs: PhoneLeg[] = [];
  for (let i = 0; i <= listeners; i++) {
    const member = { id: `p${i}`, name: `p${i}`, kind: "phone", priority: 5 } as const;
    const leg = new PhoneLeg({ id: `bench.${i}`, group: policy, member, host: group }, rtp);
    await leg.negotiate({ type: "offer", sdp });
    group.join(leg);
    legs.push(leg);
  }
  const [talker] = legs;
  if (talker) group.digit(talker, "*");
  const beat = measure(
    `one beat of a group with ${listeners} listeners`,
    () => {
      clock.advance(20);
    },
    500,
  );
  group.close();
  sink.close();
  return [
    beat,
    { what: "the same for each listener, with its system call", nsPerFrame: beat.nsPerFrame / listeners },
  ];
}

const noop = (): void => undefined;
