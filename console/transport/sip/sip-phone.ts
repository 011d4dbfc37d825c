import {
  Registerer,
  RegistererState,
  SessionDescriptionHandlerError,
  URI,
  UserAgent,
  UserAgentState,
} from "sip.js";
import type { IncomingResponse } from "sip.js/lib/core";
import { retryDelayOf } from "../../model/backoff.ts";
import { JoinRefusal, type GroupCall, type Phone, type PhoneHandlers } from "../phone.ts";
import { callGroup, descriptionSetups } from "./group-call.ts";
import { GroupDescription } from "./group-description.ts";

export interface PhoneAccount {
  readonly server: string;
  readonly user: string;
  readonly name: string;
  readonly domain: string;
  readonly password: string;
}

/** How long a registration is asked for; sip.js renews it well before. In s. */
const REGISTRATION_S = 600;
/** Seconds between keep-alives, so that nothing on the way forgets the connection. */
const KEEP_ALIVE_S = 25;

/** A group joined before the registration stands waits for it this long, in ms. */
const PATIENCE_MS = 5_000;

/** Registers by SIP over WebSocket and keeps the registration and the connection until closed. */
export function startSipPhone(account: PhoneAccount, handlers: PhoneHandlers): Phone {
  const calls = new Set<GroupCall>();
  let attempt = 0;
  let closed = false;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let registered = Promise.withResolvers<undefined>();

  const agent = new UserAgent({
    uri: new URI("sip", account.user, account.domain),
    displayName: account.name,
    authorizationUsername: account.user,
    authorizationPassword: account.password,
    transportOptions: { server: account.server, traceSip: false, keepAliveInterval: KEEP_ALIVE_S },
    logBuiltinEnabled: false,
    gracefulShutdown: false,
    reconnectionAttempts: 0,
    userAgentString: "Crossband console",
    sessionDescriptionHandlerFactory(session) {
      const setup = descriptionSetups.get(session);
      // sip.js answers 488 itself: this console takes no calls, it makes them.
      if (!setup) throw new SessionDescriptionHandlerError("this session carries no media");
      return new GroupDescription(setup.microphone, setup.handlers);
    },
    delegate: {
      onConnect() {
        attempt = 0;
        register();
      },
      onDisconnect(error) {
        if (!closed && error) lost();
      },
      onInvite(invitation) {
        void invitation.reject({ statusCode: 480 });
      },
    },
  });
  const registerer = new Registerer(agent, { expires: REGISTRATION_S });

  const register = (): void => {
    const onReject = ({ message }: IncomingResponse): void => {
      const status = message.statusCode ?? 0;
      if (status === 401 || status === 403 || status === 404) handlers.onRefused(status);
      else if (status >= 500) retry = setTimeout(register, retryDelayOf(++attempt, Math.random()));
    };
    // Not by the registerer's state: over a lost connection it stays registered, and would not change to it again.
    const onAccept = (): void => {
      registered.resolve(undefined);
      handlers.onRegistered();
    };
    registerer.register({ requestDelegate: { onAccept, onReject } }).catch(() => {
      // A request that the connection took with it is still open: sip.js sends no other before it has timed out.
      clearTimeout(retry);
      if (!closed) retry = setTimeout(register, retryDelayOf(++attempt, Math.random()));
    });
  };

  const lost = (): void => {
    registered = Promise.withResolvers();
    handlers.onLost();
    again();
  };
  const again = (): void => {
    clearTimeout(retry);
    if (closed) return;
    retry = setTimeout(
      () => {
        agent.reconnect().catch(again);
      },
      retryDelayOf(attempt++, Math.random()),
    );
  };

  // A failed first connection is tried again like a lost one.
  agent.start().catch(again);

  return {
    async join(group, microphone, callHandlers) {
      await inTime(registered.promise);
      const target = new URI("sip", group, account.domain);
      const call = await callGroup(agent, target, microphone, callHandlers);
      calls.add(call);
      return {
        ...call,
        async leave() {
          calls.delete(call);
          await call.leave();
        },
      };
    },
    probe() {
      if (!closed && !agent.isConnected()) {
        attempt = 0;
        again();
      }
    },
    async close() {
      if (closed) return;
      closed = true;
      clearTimeout(retry);
      await Promise.allSettled([...calls].map((call) => call.leave()));
      if (registerer.state === RegistererState.Registered)
        await registerer.unregister().catch(() => undefined);
      if (agent.state !== UserAgentState.Stopped) await agent.stop().catch(() => undefined);
    },
  };
}

async function inTime(ready: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new JoinRefusal(0, "not registered"));
    }, PATIENCE_MS);
  });
  await Promise.race([ready, late]).finally(() => {
    clearTimeout(timer);
  });
}
