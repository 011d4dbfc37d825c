import { randomInt } from "node:crypto";
import { isIPv6 } from "node:net";
import { answerDirection, type Direction, type PhoneCodec, type PhoneSdp } from "./phone-sdp.ts";

/** Payload types of our offers. */
export const OFFERED: Readonly<Record<PhoneCodec, number>> = { pcmu: 0, pcma: 8 };
export const OFFERED_EVENT = 101;

/**
 * Writes our side of one phone's dialog: constant session id, and a version that grows when, and only when, the text does
 * change (RFC 3264 §8).
 */
export class SdpWriter {
  readonly #address: string;
  readonly #port: number;
  readonly #session = randomInt(1, 2 ** 47);
  #version = 0;
  #body = "";

  /** @param address where the phone reaches us, and @param port our RTP port; RTCP is on the next one */
  constructor(address: string, port: number) {
    this.#address = address;
    this.#port = port;
  }

  /** Answers with one codec, so that the phone has nothing to choose from; other media lines are refused. */
  answer({ lines, audioIndex, audio }: PhoneSdp): string {
    const media = lines.map((line, index) =>
      index === audioIndex
        ? this.#audio(
            audio.protocol,
            [[audio.preferred.payloadType, audio.preferred.codec]],
            audio.eventType,
            answerDirection(audio.direction),
          )
        : [`m=${line.type} 0 ${line.protocol} ${line.formats}`],
    );
    return this.#write(media.flat());
  }

  /** Offers all we have: the answer to an INVITE without a session description. */
  offer(): string {
    return this.#write(
      this.#audio(
        "RTP/AVP",
        [
          [OFFERED.pcmu, "pcmu"],
          [OFFERED.pcma, "pcma"],
        ],
        OFFERED_EVENT,
        "sendrecv",
      ),
    );
  }

  #audio(
    protocol: string,
    codecs: readonly [number, PhoneCodec][],
    eventType: number | undefined,
    direction: Direction,
  ): string[] {
    const types = [
      ...codecs.map(([payloadType]) => payloadType),
      ...(eventType === undefined ? [] : [eventType]),
    ];
    return [
      `m=audio ${this.#port} ${protocol} ${types.join(" ")}`,
      ...codecs.map(([payloadType, codec]) => `a=rtpmap:${payloadType} ${codec.toUpperCase()}/8000`),
      ...(eventType === undefined
        ? []
        : [`a=rtpmap:${eventType} telephone-event/8000`, `a=fmtp:${eventType} 0-15`]),
      "a=ptime:20",
      `a=${direction}`,
    ];
  }

  #write(media: readonly string[]): string {
    const body = media.join("\r\n");
    if (body !== this.#body) this.#version++;
    this.#body = body;
    const family = isIPv6(this.#address) ? "IP6" : "IP4";
    const head = [
      "v=0",
      `o=crossband ${this.#session} ${this.#version} IN ${family} ${this.#address}`,
      "s=-",
      `c=IN ${family} ${this.#address}`,
      "t=0 0",
    ];
    return `${[...head, body].join("\r\n")}\r\n`;
  }
}
