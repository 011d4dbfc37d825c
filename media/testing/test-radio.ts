import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { GroupPolicy } from "#common/media-control.ts";
import {
  RADIO_PROFILE,
  readRadioFlags,
  writeRadioFlags,
  type RadioFlags,
} from "#media/rtp/radio-extension.codec.ts";
import { readRtp } from "#media/rtp/read-rtp.ts";
import { RtpStream } from "#media/rtp/write-rtp.ts";
import { Recording } from "#test/peers/audio/recording.ts";
import { FRAME_SAMPLES, type AudioSource } from "#test/peers/audio/sources.ts";
import { pace } from "#test/peers/pace.ts";
import type { MediaFixture } from "./media-fixture.ts";

const HOST = "127.0.0.1";

export interface TestRadio {
  readonly leg: string;
  /** Audio that the radio would transmit. */
  readonly heard: Recording;
  /** The flags of every packet that came. */
  readonly flags: RadioFlags[];
  /** Opens the squelch and says this until `unkey`. */
  key(source: AudioSource): void;
  unkey(): void;
  /** Sends no sign of life any more. */
  vanish(): void;
  leave(): Promise<void>;
}

/** A radio bridge's end of a radio leg. */
export async function joinRadio(
  media: MediaFixture,
  group: GroupPolicy,
  id: string,
  priority = 5,
): Promise<TestRadio> {
  const socket = createSocket("udp4");
  socket.bind(0, HOST);
  await once(socket, "listening");
  const leg = `radio.${id}`;
  const { description } = await media.put(leg, {
    revision: 1,
    group,
    member: { id, name: id, kind: "radio", priority },
    description: { type: "rtp", host: HOST, port: socket.address().port },
  });
  if (description?.type !== "rtp") throw new Error("no RTP address in the answer");
  const { host, port } = description;
  const stream = new RtpStream(8_000);
  const heard = new Recording();
  const flags: RadioFlags[] = [];
  socket.on("message", (datagram) => {
    const packet = readRtp(datagram);
    if (typeof packet === "string") throw new Error(`media sent ${packet}`);
    const read =
      packet.extension?.profile === RADIO_PROFILE ? readRadioFlags(packet.extension.body) : undefined;
    if (!read) throw new Error("media sent no flags");
    flags.push(read);
    if (packet.payload.length === 0) return;
    const samples = Int16Array.from({ length: packet.payload.length / 2 }, (_, i) =>
      packet.payload.readInt16BE(2 * i),
    );
    heard.push(samples, packet.timestamp, packet.ssrc);
  });
  let atMs = Date.now();
  const send = (squelch: boolean, payload: Uint8Array) => {
    // A radio's clock counts samples: it does not stumble when this process does.
    atMs += 20;
    const extension = {
      profile: RADIO_PROFILE,
      body: writeRadioFlags({ ptt: false, squelch, muted: false }),
    };
    socket.send(stream.write({ payloadType: 96, payload, atMs, extension }), port, host);
  };
  let source: AudioSource | undefined;
  const stopKeepalive = pace(1_000, () => {
    if (!source) send(false, new Uint8Array());
  });
  const stopAudio = pace(20, () => {
    if (!source) return;
    const payload = Buffer.alloc(2 * FRAME_SAMPLES);
    source.next(FRAME_SAMPLES).forEach((sample, i) => payload.writeInt16BE(sample, 2 * i));
    send(true, payload);
  });
  const vanish = () => {
    stopKeepalive();
    stopAudio();
  };
  return {
    leg,
    heard,
    flags,
    key(next) {
      source = next;
    },
    unkey() {
      source = undefined;
      send(false, new Uint8Array());
    },
    vanish,
    async leave() {
      vanish();
      await media.remove(leg);
      socket.close();
    },
  };
}
