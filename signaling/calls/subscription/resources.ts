import type { Clock } from "#common/clock.ts";
import type { GroupSnapshot } from "#common/media-control.ts";
import { mayJoin } from "#state/directory/may-join.ts";
import type { User } from "#state/directory/provision.ts";
import type { RedisConnection } from "#state/redis/connection.ts";
import type { Binding } from "#state/registration/binding.ts";
import { fetchPublications } from "#state/subscription/publications.ts";
import { removeUserCall, userCalls } from "#state/subscription/user-calls.ts";
import { groupSnapshotKey } from "#state/talk-group/talk-group.keys.ts";
import type { AnyCall } from "#signaling/calls/call/call-runner.ts";
import type { Lookup, Target } from "#signaling/calls/routing/target.ts";
import type { CallId, SipPort } from "#signaling/sip-port/sip-port.ts";
import { conferenceDocument } from "./conference-document.ts";
import { dialogDocument, type ShownDialog } from "./dialog-document.ts";
import { dialogsOf } from "./dialogs-of.ts";
import { idOf, resourceOf, type PackageName, type Resource, type StateDocument } from "./event-package.ts";
import { presenceDocument } from "./presence-document.ts";
import { regDocument } from "./reg-document.ts";

export interface ResourcesOptions {
  readonly redis: RedisConnection;
  readonly clock: Pick<Clock, "now">;
  readonly directory: Pick<Lookup, "talkGroup" | "user"> & { own(): Promise<{ readonly domain: string }> };
  readonly bindings: (user: string) => Promise<readonly Binding[]>;
  readonly port: Pick<SipPort, "begin">;
}

export type Watched =
  | { readonly outcome: "document"; readonly document: StateDocument }
  /** RFC 6665 §4.1.3: why there is none, as Subscription-State says it. */
  | { readonly outcome: "noresource" | "rejected" };

/** What can be subscribed to, who may, and what it says now. */
export interface Resources {
  /** The resource that a request for `target` means, or the status that refuses it. */
  find(event: PackageName, target: Target, subscriber: User): Resource | 403 | 404;
  /** Reads a resource for a subscriber, who is looked at again: groups and people change. */
  read(event: PackageName, resource: Resource, subscriber: string): Promise<Watched>;
}

/** Own state, and that of the people of one's agency. */
const mayWatch = (watcher: User, watched: User): boolean =>
  watcher.id === watched.id || watcher.agency === watched.agency;

export function createResources({ redis, clock, directory, bindings, port }: ResourcesOptions): Resources {
  /** Parts that a user has in calls, and what names them in SIP where the watcher may use it. */
  const dialogs = async (user: string, watcher: string, domain: string): Promise<ShownDialog[]> => {
    const ids = await userCalls(redis, user);
    return (await Promise.all(ids.map((id) => partsIn(id, user, watcher, domain)))).flat();
  };
  const partsIn = async (
    id: CallId,
    user: string,
    watcher: string,
    domain: string,
  ): Promise<ShownDialog[]> => {
    let parts: ShownDialog[] = [];
    await port.begin(id, async (step) => {
      const call = await step.load<AnyCall>();
      parts = call ? dialogsOf(call, domain).filter((one) => one.user === user).map((one) => {
        const view = one.state === "early" || user === watcher ? step.dialog(one.leg) : undefined;
        const names = view && { callId: view.callId, localTag: view.remoteTag ?? "" };
        return { ...one, ...(names && { names }) };
      }) : [];
    }); // prettier-ignore
    // The list is a hint that a crash may have left behind; the record is the truth.
    if (parts.length === 0) await removeUserCall(redis, user, id);
    return parts;
  };

  const conference = async (id: string, subscriber: User): Promise<Watched> => {
    const group = await directory.talkGroup(id);
    if (!group) return { outcome: "noresource" };
    if (!mayJoin(subscriber, group)) return { outcome: "rejected" };
    const { domain } = await directory.own();
    const text = await redis.get(groupSnapshotKey(id));
    const snapshot = text === null ? undefined : (JSON.parse(text) as GroupSnapshot);
    return { outcome: "document", document: conferenceDocument(group, snapshot, domain) };
  };

  return {
    find(event, target, subscriber) {
      if (event === "conference") {
        if (target.kind !== "group") return 404;
        return mayJoin(subscriber, target.group) ? resourceOf(event, target.group.id) : 403;
      }
      if (target.kind !== "user") return 404;
      return mayWatch(subscriber, target.user) ? resourceOf(event, target.user.id) : 403;
    },
    async read(event, resource, watcher) {
      const subscriber = await directory.user(watcher);
      if (!subscriber) return { outcome: "rejected" };
      const id = idOf(resource);
      if (event === "conference") return conference(id, subscriber);
      const user = await directory.user(id);
      if (!user) return { outcome: "noresource" };
      if (!mayWatch(subscriber, user)) return { outcome: "rejected" };
      const { domain } = await directory.own();
      const aor = `sip:${id}@${domain}`;
      switch (event) {
        case "dialog":
          return { outcome: "document", document: dialogDocument(aor, await dialogs(id, watcher, domain)) };
        case "reg":
          return {
            outcome: "document",
            document: regDocument(aor, standing(await bindings(id), clock.now())),
          };
        case "presence": {
          const [bound, published] = await Promise.all([bindings(id), fetchPublications(redis, id)]);
          return {
            outcome: "document",
            document: presenceDocument(aor, standing(bound, clock.now()), published),
          };
        }
      }
    },
  };
}

/** The clock that timers go by may be ahead of the one that the bindings end by: what is over for us is over. */
const standing = (bindings: readonly Binding[], nowMs: number): readonly Binding[] =>
  bindings.filter(({ expiresAtMs }) => expiresAtMs > nowMs);
