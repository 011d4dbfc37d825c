import { Inviter, RequestPendingError, SessionState, type URI, type UserAgent } from "sip.js";
import type { IncomingResponse } from "sip.js/lib/core";
import { JoinRefusal, type CallHandlers, type GroupCall } from "../phone.ts";
import type { GroupDescription, GroupDescriptionHandlers } from "./group-description.ts";

/** A call that is not answered in this time is given up. */
const JOIN_MS = 12_000;
/** Media that pauses for less than this comes back by itself, or by the server's ICE restart. */
const MEDIA_PATIENCE_MS = 8_000;
/** Re-INVITEs of both sides can meet (491); ours is tried again this often. */
const RENEGOTIATIONS = 6;
const RENEGOTIATION_PAUSE_MS = 300;

/** How the user agent's factory learns what a session's description handler works with. */
export interface DescriptionSetup {
  readonly microphone: MediaStreamTrack | undefined;
  readonly handlers: GroupDescriptionHandlers;
}
export const descriptionSetups = new WeakMap<object, DescriptionSetup>();

/** Calls a group and waits until it is joined. */
export async function callGroup(
  agent: UserAgent,
  target: URI,
  microphone: MediaStreamTrack | undefined,
  handlers: CallHandlers,
): Promise<GroupCall> {
  const session = new Inviter(agent, target, { inviteWithoutSdp: true });
  let track = microphone?.clone();
  if (track) track.enabled = false;
  let left = false;
  let joined = false;
  let patience: ReturnType<typeof setTimeout> | undefined;

  const mediaEnded = (): void => {
    if (left) return;
    void leave();
    handlers.onEnded("media");
  };
  descriptionSetups.set(session, {
    microphone: track,
    handlers: {
      onAudio: handlers.onAudio,
      onVideo: handlers.onVideo,
      onConnection(state) {
        clearTimeout(patience);
        if (state === "failed") mediaEnded();
        if (state === "disconnected") patience = setTimeout(mediaEnded, MEDIA_PATIENCE_MS);
      },
    },
  });
  const description = (): GroupDescription | undefined =>
    session.sessionDescriptionHandler as GroupDescription | undefined;

  session.stateChange.addListener((state) => {
    if (state !== SessionState.Terminated) return;
    clearTimeout(patience);
    track?.stop();
    if (left || !joined) return;
    left = true;
    handlers.onEnded("server");
  });

  const leave = async (): Promise<void> => {
    if (left) return;
    left = true;
    clearTimeout(patience);
    if (track) track.enabled = false;
    if (session.state === SessionState.Established) await session.bye().catch(() => undefined);
    else if (session.state === SessionState.Establishing) await session.cancel().catch(() => undefined);
  };

  let leg: string;
  try {
    leg = await establish(session);
    joined = true;
  } catch (error) {
    // A refused call has nothing left to cancel, and sip.js would wait for that for ever.
    void leave();
    track?.stop();
    throw error;
  }

  return {
    leg,
    openMicrophone(open) {
      if (track) track.enabled = open;
    },
    async setMicrophone(next) {
      const old = track;
      track = next?.clone();
      if (track) track.enabled = old?.enabled ?? false;
      await description()?.setMicrophone(track);
      old?.stop();
    },
    async setCamera(camera) {
      const handler = description();
      if (!handler?.takesCamera) throw new Error("the group takes no cameras");
      handler.setCamera(camera);
      await renegotiate(session);
    },
    leave,
  };
}

/** Sends the INVITE; the To tag of its 200 names the leg. */
function establish(session: Inviter): Promise<string> {
  return new Promise((resolve, reject) => {
    const refuse = (status: number, reason: string): void => {
      clearTimeout(timer);
      reject(new JoinRefusal(status, reason));
    };
    const timer = setTimeout(() => {
      refuse(0, "no answer");
    }, JOIN_MS);
    session.stateChange.addListener((state) => {
      // The status of a refusal comes by the delegate, in the same turn.
      if (state === SessionState.Terminated) setTimeout(refuse, 0, 0, "ended before it began");
    });
    const requestDelegate = {
      onAccept({ message }: IncomingResponse) {
        // sip.js calls this once our answer has gone out in the ACK.
        clearTimeout(timer);
        resolve(message.toTag);
      },
      onReject({ message }: IncomingResponse) {
        refuse(message.statusCode ?? 0, message.reasonPhrase ?? "");
      },
    };
    session.invite({ requestDelegate }).catch((error: unknown) => {
      refuse(0, String(error));
    });
  });
}

/** Sends a re-INVITE with our offer, again when it meets one of the server's. */
async function renegotiate(session: Inviter): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      const status = await reinvite(session);
      if (status < 300) return;
      if (status !== 491 || attempt === RENEGOTIATIONS)
        throw new JoinRefusal(status, "the change was refused");
    } catch (error) {
      const pending = error instanceof RequestPendingError || (error as Error).name === "InvalidStateError";
      if (!pending || attempt === RENEGOTIATIONS) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, RENEGOTIATION_PAUSE_MS * (1 + Math.random())));
  }
}

const reinvite = (session: Inviter): Promise<number> =>
  new Promise((resolve, reject) => {
    const settle = ({ message }: IncomingResponse): void => {
      resolve(message.statusCode ?? 0);
    };
    session.invite({ requestDelegate: { onAccept: settle, onReject: settle } }).catch(reject);
  });
