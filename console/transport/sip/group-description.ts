import {
  type BodyAndContentType,
  type SessionDescriptionHandler,
  type SessionDescriptionHandlerModifier,
} from "sip.js";
import { linesTaken } from "./lines-taken.ts";

export interface GroupDescriptionHandlers {
  readonly onAudio: (stream: MediaStream) => void;
  readonly onVideo: (mid: string, track: MediaStreamTrack) => void;
  readonly onConnection: (state: RTCPeerConnectionState) => void;
}

type Modifiers = SessionDescriptionHandlerModifier[];

/**
 * The media of one call into a group, for sip.js. The server offers: one audio line both ways, one video line that takes
 * our camera, and further video lines ("slots") that it fills with others' cameras without signaling.
 *
 * sip.js's own handler cannot do this: it stops a remote video when another comes and gives every line one direction.
 */
export class GroupDescription implements SessionDescriptionHandler {
  readonly #peer: RTCPeerConnection;
  #microphone: MediaStreamTrack | undefined;
  #camera: MediaStreamTrack | undefined;
  #microphoneMid: string | undefined;
  #cameraMid: string | undefined;
  #closed = false;

  constructor(microphone: MediaStreamTrack | undefined, handlers: GroupDescriptionHandlers) {
    this.#microphone = microphone;
    // The server is ICE-lite with an address of its own: no STUN, and nothing to gather for.
    this.#peer = new RTCPeerConnection({
      iceServers: [],
      bundlePolicy: "max-bundle",
      rtcpMuxPolicy: "require",
    });
    this.#peer.ontrack = ({ track, transceiver }) => {
      if (track.kind === "audio") handlers.onAudio(new MediaStream([track]));
      else if (transceiver.mid !== null) handlers.onVideo(transceiver.mid, track);
    };
    this.#peer.onconnectionstatechange = () => {
      handlers.onConnection(this.#peer.connectionState);
    };
  }

  hasDescription(contentType: string): boolean {
    return contentType.split(";", 1)[0]?.trim().toLowerCase() === "application/sdp";
  }

  async setDescription(sdp: string, _options?: unknown, modifiers: Modifiers = []): Promise<void> {
    const type = this.#peer.signalingState === "have-local-offer" ? "answer" : "offer";
    await this.#peer.setRemoteDescription(await modified({ type, sdp }, modifiers));
    if (type !== "offer") return;
    const { audio, video } = linesTaken(sdp);
    this.#microphoneMid ??= audio;
    this.#cameraMid ??= video;
  }

  async getDescription(_options?: unknown, modifiers: Modifiers = []): Promise<BodyAndContentType> {
    await this.#attach();
    // Without an argument the browser makes the answer or the offer that is due.
    await this.#peer.setLocalDescription();
    const { localDescription } = this.#peer;
    if (!localDescription) throw new Error("the browser made no session description");
    const { sdp = "" } = await modified(localDescription.toJSON(), modifiers);
    return { body: sdp, contentType: "application/sdp" };
  }

  async rollbackDescription(): Promise<void> {
    const { signalingState } = this.#peer;
    if (signalingState === "have-local-offer") await this.#peer.setLocalDescription({ type: "rollback" });
    if (signalingState === "have-remote-offer") await this.#peer.setRemoteDescription({ type: "rollback" });
  }

  /** Puts a microphone in place; needs no signaling. */
  async setMicrophone(track: MediaStreamTrack | undefined): Promise<void> {
    this.#microphone = track;
    await this.#line(this.#microphoneMid)?.sender.replaceTrack(track ?? null);
  }

  /** Takes a camera for the next description: whoever calls this then sends a re-INVITE. */
  setCamera(track: MediaStreamTrack | undefined): void {
    this.#camera = track;
  }

  /** Whether the server's offer had a line for a camera. */
  get takesCamera(): boolean {
    return this.#cameraMid !== undefined;
  }

  sendDtmf(): boolean {
    return false;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#peer.ontrack = null;
    this.#peer.onconnectionstatechange = null;
    this.#peer.close();
  }

  /** What we send on each line: the microphone on the audio line, the camera on its own, nothing on the slots. */
  async #attach(): Promise<void> {
    for (const line of this.#peer.getTransceivers()) {
      if (line.mid === null || line.direction === "stopped") continue;
      if (line.mid === this.#microphoneMid) {
        // Both ways even without a microphone, so that one can be put in later without signaling.
        line.direction = "sendrecv";
        await line.sender.replaceTrack(this.#microphone ?? null);
      } else if (line.mid === this.#cameraMid) {
        line.direction = this.#camera ? "sendonly" : "inactive";
        await line.sender.replaceTrack(this.#camera ?? null);
      } else line.direction = "recvonly";
    }
  }

  #line(mid: string | undefined): RTCRtpTransceiver | undefined {
    return this.#peer.getTransceivers().find((line) => mid !== undefined && line.mid === mid);
  }
}

async function modified(
  description: RTCSessionDescriptionInit,
  modifiers: Modifiers,
): Promise<RTCSessionDescriptionInit> {
  let result = description;
  for (const modify of modifiers) result = await modify(result);
  return result;
}
