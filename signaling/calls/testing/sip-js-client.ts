import {
  Inviter,
  Registerer,
  SessionState,
  UserAgent,
  type Invitation,
  type Session,
  type SessionDescriptionHandler,
} from "sip.js";

/** What a browser's session description handler offers and answers here: signaling only looks at the profile. */
export const PAGE_SDP = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0", "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "a=rtpmap:111 opus/48000/2", ""].join("\r\n"); // prettier-ignore

export interface SipJsClient {
  readonly userAgent: UserAgent;
  /** Descriptions that the handler was given, in order. */
  readonly heard: string[];
  /** Registers; resolves once SIP.js believes that it is registered. */
  register(): Promise<void>;
  /** Calls with an INVITE without SDP, as the console does; resolves when established. */
  call(uri: string): Promise<Inviter>;
  /** The next call to us. */
  invitation(): Promise<Invitation>;
  close(): Promise<void>;
}

/** A SIP.js user agent in this process, with a session description handler that makes no media. */
export async function openSipJsClient(
  server: string,
  user: string,
  domain: string,
  password: string,
): Promise<SipJsClient> {
  const heard: string[] = [];
  const handler = (): SessionDescriptionHandler => ({
    close: () => undefined,
    getDescription: () => Promise.resolve({ body: PAGE_SDP, contentType: "application/sdp" }),
    hasDescription: (contentType) => contentType === "application/sdp",
    rollbackDescription: () => Promise.resolve(),
    setDescription(sdp) {
      heard.push(sdp);
      return Promise.resolve();
    },
    sendDtmf: () => false,
  });
  const waiting: ((invitation: Invitation) => void)[] = [];
  const uri = UserAgent.makeURI(`sip:${user}@${domain}`);
  if (!uri) throw new Error("not a SIP URI");
  const userAgent = new UserAgent({
    uri,
    authorizationUsername: user,
    authorizationPassword: password,
    transportOptions: { server: `ws://${server}`, traceSip: false },
    logLevel: "error",
    sessionDescriptionHandlerFactory: handler,
    delegate: {
      onInvite: (invitation) => {
        waiting.shift()?.(invitation);
      },
    },
  });
  await userAgent.start();
  const registerer = new Registerer(userAgent, { expires: 120 });
  return {
    userAgent,
    heard,
    async register() {
      const registered = Promise.withResolvers<undefined>();
      await registerer.register({
        requestDelegate: {
          onAccept() {
            registered.resolve(undefined);
          },
          onReject({ message }) {
            registered.reject(new Error(`REGISTER was answered ${message.statusCode ?? 0}`));
          },
        },
      });
      await registered.promise;
    },
    async call(target) {
      const to = UserAgent.makeURI(target);
      if (!to) throw new Error("not a SIP URI");
      const inviter = new Inviter(userAgent, to, { inviteWithoutSdp: true });
      const answered = established(inviter);
      await inviter.invite();
      await answered;
      return inviter;
    },
    invitation: () => new Promise((resolve) => waiting.push(resolve)),
    close: () => userAgent.stop(),
  };
}

/** Resolves when a session is established, rejects when it ends before. */
export function established(session: Session): Promise<void> {
  return new Promise((resolve, reject) => {
    session.stateChange.addListener((state) => {
      if (state === SessionState.Established) resolve();
      if (state === SessionState.Terminated) reject(new Error("the call ended"));
    });
  });
}
