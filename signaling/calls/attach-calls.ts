import { networkInterfaces } from "node:os";
import { systemClock } from "#common/clock.ts";
import { openDirectoryCache } from "#state/directory/directory.ts";
import type { RoleContext } from "#state/instance/role.ts";
import { fetchBindings, forgetBinding } from "#state/registration/fetch-bindings.ts";
import { startChangeFeed } from "#state/subscription/change-feed.ts";
import { openChangeNotes } from "#state/subscription/change-notes.ts";
import type { Rpc } from "#state/rpc/rpc.ts";
import { NO_CONDUCT, type Conduct } from "#signaling/sip-port/conduct.ts";
import type { SipHandler, SipPort } from "#signaling/sip-port/sip-port.ts";
import type { Registry } from "prom-client";
import { createAuthenticator } from "./auth/authenticator.ts";
import { createFailureLimit } from "./auth/failure-limit.ts";
import { createCallControl } from "./call-control.ts";
import { createCallRunner } from "./call/call-runner.ts";
import { createCallDirectory, type CallDirectory } from "./directory.ts";
import { watchEndedLegs } from "./leg-ended.ts";
import { createMediaClient } from "./media/media-client.ts";
import { createPlacement } from "./media/place.ts";
import { createMessageRelay } from "./message/relay-message.ts";
import { createCallMetrics } from "./metrics.ts";
import { createRefer } from "./transfer/refer.ts";
import { createReplace } from "./transfer/replace.ts";
import { createCallWatch } from "./subscription/call-watch.ts";
import { resourceOf } from "./subscription/event-package.ts";
import { createPublish } from "./subscription/publish.ts";
import { createResources } from "./subscription/resources.ts";
import { createSubscriptions } from "./subscription/subscriptions.ts";
import { openTrunks } from "./trunk/open-trunks.ts";
import { createGruus } from "./registrar/gruu.ts";
import { createRegistrar } from "./registrar/registrar.ts";

export interface AttachOptions {
  readonly context: RoleContext;
  /** The SIP server that calls arrive at; a step of ours begins there too. */
  readonly port: Pick<SipPort, "begin">;
  readonly rpc: Pick<Rpc, "call" | "tell">;
  readonly registry: Registry;
  /** Who guards the sockets, when they are ours. */
  readonly conduct?: Conduct;
}

export interface Calls {
  readonly handler: SipHandler;
  /** Begins to act on what other processes announce. Call once traffic is let in. */
  watch(): void;
  /** Idempotent. */
  close(): void;
}

/** Builds call control over a SIP port, Redis and the media tier. */
export function createCalls({ context, port, rpc, registry, conduct = NO_CONDUCT }: AttachOptions): Calls {
  const { config, log, redis, secret } = context;
  const clock = systemClock;
  const metrics = createCallMetrics(registry);
  const cache = openDirectoryCache(redis, context.openBlocking());
  const trunkParts = openTrunks({
    context, clock, port, registry, cache, conduct,
    bindings: (user) => fetchBindings(redis, user),
    directory: () => directory,
    ringMs: config.sip.ringSeconds * 1_000,
  }); // prettier-ignore
  const { book, slots, trunks, duties } = trunkParts;
  const directory: CallDirectory = createCallDirectory({
    redis, cache, clock, trunks: async () => (await book.trunks()).map(({ trunk }) => trunk), domain: config.sip.domain, addresses: addressesOf(context), emergencyGroup: config.sip.emergencyGroup,
  }); // prettier-ignore
  const bindings = (user: string) => fetchBindings(redis, user);
  const authenticator = createAuthenticator({
    secret, clock, conduct, bindings, trunkPassword: async (username) => (await trunks.byUsername(username))?.trunk.password, limit: createFailureLimit(clock), user: (id) => directory.user(id), challengeInvite: config.sip.challengeInvite, firstDigest: config.sip.firstDigest, md5OnlyAgents: config.sip.md5OnlyAgents,
  }); // prettier-ignore
  const media = createMediaClient(rpc, createPlacement(redis, clock), log);
  const gruus = createGruus(secret);
  const notes = openChangeNotes(redis, log);
  const watch = createCallWatch({ redis, notes, clock, log });
  const registrationChanged = (user: string) => {
    notes.note(resourceOf("reg", user));
    notes.note(resourceOf("presence", user));
  };
  const unbind = async (user: string, key: string, expiresAtMs: number) => {
    await forgetBinding(redis, user, { key, expiresAtMs });
    registrationChanged(user);
  };
  const limits = {
    minSeconds: config.sip.subscriptionMinSeconds,
    maxSeconds: config.sip.subscriptionSeconds,
  };
  const subscriptions = createSubscriptions({
    redis, clock, log, metrics, port, ...limits, resources: createResources({ redis, clock, directory, bindings, port }),
  }); // prettier-ignore
  const runner = createCallRunner({ clock, log, metrics, media, port, watch, unbind, trunks: slots });
  const handler = createCallControl({
    log, clock, metrics, directory, authenticator, runner, bindings, trunks, duties,
    registrar: createRegistrar({ redis, port, log, authenticator, metrics, maxSeconds: config.sip.registrationSeconds, keepaliveSeconds: config.sip.keepaliveSeconds, changed: registrationChanged, gruus }),
    refer: createRefer({ clock, secret, directory, bindings, runner, port, gruus, routes: (dialled, user, message) => trunks.routes(dialled, user, message), ringMs: config.sip.ringSeconds * 1_000 }),
    replace: createReplace({ clock, directory, runner, port }),
    gruus, subscriptions, watch, publish: createPublish({ redis, note: (resource) => { notes.note(resource); }, ...limits }),
    messages: createMessageRelay({ runner, metrics, bindings, membersOf: (group) => directory.membersOf(group), maxMessageBytes: config.sip.maxMessageBytes }),
    ringMs: config.sip.ringSeconds * 1_000,
  }); // prettier-ignore
  let unwatch: (() => void) | undefined;
  let endFeed: (() => void) | undefined;
  let unwatchTrunks: (() => void) | undefined;
  return {
    handler,
    watch() {
      unwatchTrunks ??= trunkParts.watch();
      endFeed ??= startChangeFeed({
        redis, reader: context.openBlocking(), instance: context.instance, log,
        busy: () => notes.watchesAny, changed: (resource) => subscriptions.changed(resource),
      }); // prettier-ignore
      unwatch ??= watchEndedLegs(context.openBlocking(), log, (leg) =>
        port.begin(leg.replace(/\.\d+$/, ""), (step) =>
          runner.advance(step, { type: "leg-ended", leg, atMs: clock.now() }),
        ),
      );
    },
    close() {
      unwatch?.();
      unwatch = undefined;
      endFeed?.();
      notes.close();
      watch.close();
      unwatchTrunks?.();
      unwatchTrunks = undefined;
      cache.close();
    },
  };
}

const WILDCARDS: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/** Hosts in a request-URI that mean us besides the domain: where we listen, and what we advertise. */
function addressesOf({ config }: RoleContext): ReadonlySet<string> {
  const addresses = new Set([config.host.toLowerCase()]);
  const advertised = config.sip.advertised
    ?.replace(/:\d+$/, "")
    .replace(/^\[|\]$/g, "")
    .toLowerCase();
  if (advertised !== undefined) addresses.add(advertised);
  if (WILDCARDS.has(config.host))
    for (const list of Object.values(networkInterfaces()))
      for (const { address } of list ?? []) addresses.add(address);
  if (config.host === "127.0.0.1" || WILDCARDS.has(config.host)) addresses.add("localhost");
  return addresses;
}
