import type { Direction } from "./sdp/description.ts";
import { offeredDirection, offeredLayout, type Line } from "./sdp/layout.ts";
import { audioCodecLines, videoCodecLines } from "./sdp/profile.ts";
import { readAnswer, readFirstOffer, readReoffer, type BrowserMedia } from "./sdp/read-browser.ts";
import { writeDescription, type LocalTransport, type WrittenLine } from "./sdp/write-description.ts";

/** The SSRC to signal for a line of ours, if any. */
export type SsrcOf = (line: Line) => number | undefined;

/**
 * The offers and answers of one dialog with a browser (RFC 3264). It reads and writes text only: the leg carries out what was read and
 * then calls `settle`, so that a description that could not be carried out leaves nothing behind.
 */
export class Negotiation {
  readonly #originId: string;
  #version = 0;
  #layout: readonly Line[] | undefined;

  /** @param originId the session id of every `o=` line: decimal, constant for the dialog (RFC 8866 §5.2) */
  constructor(originId: string) {
    this.#originId = originId;
  }

  /** True once a description was accepted, or an offer of ours is on its way. */
  get begun(): boolean {
    return this.#layout !== undefined;
  }

  /**
   * An offer of ours, the first one or a later one with the same lines.
   *
   * @param ssrcOf as in `answer`
   */
  offer(transport: LocalTransport, ssrcOf: SsrcOf = () => undefined): string {
    this.#layout ??= offeredLayout();
    const lines = this.#layout.map((line) => writtenLine(line, offeredDirection(line.role), ssrcOf));
    return this.#write("actpass", transport, lines);
  }

  /** @throws CrossbandError SDP_INVALID, SDP_NOT_ACCEPTABLE */
  readAnswer(text: string): BrowserMedia {
    return readAnswer(text, this.#layout ?? []);
  }

  /** @throws CrossbandError SDP_INVALID, SDP_NOT_ACCEPTABLE */
  readOffer(text: string): BrowserMedia {
    return this.#layout === undefined ? readFirstOffer(text) : readReoffer(text, this.#layout);
  }

  /** Keeps the lines of a description that was carried out. */
  settle(media: BrowserMedia): void {
    this.#layout = media.lines.map(({ line }) => line);
  }

  /**
   * Our answer to an offer that was read. Passive, as from the first exchange on: the browser opens DTLS.
   *
   * @param ssrcOf the SSRC to signal for a line; needed where no mid extension of ours was agreed
   */
  answer(media: BrowserMedia, transport: LocalTransport, ssrcOf: SsrcOf): string {
    const lines = media.lines.map(({ line, direction }) => writtenLine(line, direction, ssrcOf));
    return this.#write("passive", transport, lines);
  }

  #write(setup: "actpass" | "passive", transport: LocalTransport, lines: readonly WrittenLine[]): string {
    this.#version += 1;
    return writeDescription({ originId: this.#originId, version: this.#version, setup, transport, lines });
  }
}

function writtenLine(line: Line, direction: Direction, ssrcOf: SsrcOf): WrittenLine {
  const ssrc = ssrcOf(line);
  const codec = line.kind === "audio" ? audioCodecLines : videoCodecLines;
  return { line, direction, codec, ...(ssrc !== undefined && { ssrc }) };
}
