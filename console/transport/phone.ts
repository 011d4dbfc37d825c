/**
 * The port between the console and SIP: what the console asks of a telephone, in its own words. `sip/` implements it and
 * is the only folder that knows sip.js.
 */
export interface Phone {
  /** Calls a group. Rejects with a JoinRefusal. */
  join(group: string, microphone: MediaStreamTrack | undefined, handlers: CallHandlers): Promise<GroupCall>;
  /** Finds out now whether the connection still works. */
  probe(): void;
  /** Ends every call and the registration. Idempotent. */
  close(): Promise<void>;
}

export interface PhoneHandlers {
  readonly onRegistered: () => void;
  /** The connection is gone; it is being made again. Calls go on as long as their media flows. */
  readonly onLost: () => void;
  /** The registrar refused the account. */
  readonly onRefused: (status: number) => void;
}

export interface CallHandlers {
  readonly onAudio: (stream: MediaStream) => void;
  /** What a video line of the call carries; which person that is comes by the event socket. */
  readonly onVideo: (mid: string, track: MediaStreamTrack) => void;
  /** The call is over and we did not end it. `media`: no audio path any more; `server`: hung up. */
  readonly onEnded: (cause: "media" | "server") => void;
}

/** One call into a group. */
export interface GroupCall {
  /** How the media tier names it. */
  readonly leg: string;
  /** Opens or shuts the microphone, at once and without signaling. */
  openMicrophone(open: boolean): void;
  /** Puts another microphone in place of the one it has, shut or open as that was. */
  setMicrophone(track: MediaStreamTrack | undefined): Promise<void>;
  /** Sends a camera's picture, or none. */
  setCamera(track: MediaStreamTrack | undefined): Promise<void>;
  /** Idempotent. */
  leave(): Promise<void>;
}

/** Why a group could not be joined: a SIP status, or 0 when nobody answered. */
export class JoinRefusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
