import type { Clock } from "#common/clock.ts";
import { digestHashes } from "#state/directory/directory.ts";
import type { User } from "#state/directory/provision.ts";
import type { Binding } from "#state/registration/binding.ts";
import type { SipMessage } from "#signaling/edge/message/message.ts";
import { parseUri } from "#signaling/edge/message/uri.ts";
import { addresseeOf, isOwnHost, type OwnHosts } from "#signaling/calls/routing/address.ts";
import type { HeaderList } from "#signaling/calls/capabilities.ts";
import type { Conduct } from "#signaling/sip-port/conduct.ts";
import type { Flow } from "#signaling/sip-port/sip-port.ts";
import { algorithms, challenges, credentialsFor, verifyDigest, type Algorithm } from "./digest.ts";
import type { FailureLimit } from "./failure-limit.ts";

/** A user who has been identified. */
export interface Known {
  readonly outcome: "known";
  readonly user: User;
  readonly by: "digest" | "registration";
  /** Key of the caller's registration when it came over this very connection. */
  readonly binding?: string;
}

/** Who calls: a user, or the trunk whose account was proved. */
export type CallerIdentity = Identity | { readonly outcome: "trunk"; readonly username: string };

export type Identity =
  | Known
  | {
      readonly outcome: "refused";
      readonly cause: "no-credentials" | "stale" | "wrong" | "malformed" | "limit";
      readonly status: number;
      readonly headers: HeaderList;
    };

export interface AuthenticatorOptions {
  readonly secret: string;
  readonly clock: Pick<Clock, "now">;
  readonly limit: FailureLimit;
  readonly conduct: Conduct;
  readonly user: (id: string) => Promise<User | undefined>;
  readonly bindings: (user: string) => Promise<readonly Binding[]>;
  /** Password of a trunk's account, by its username. */
  readonly trunkPassword: (username: string) => Promise<string | undefined>;
  readonly challengeInvite: "unregistered" | "always";
  /** The challenge on top: the one that clients take which read no further (RFC 8760 §2.4). */
  readonly firstDigest: Algorithm;
  /** Beginnings of User-Agent headers whose phones must be offered MD5 alone. */
  readonly md5OnlyAgents: readonly string[];
}

export interface Authenticator {
  /** Proof by digest, as a registrar asks for it: 401 (RFC 3261 §22.2). */
  prove(message: SipMessage, source: Flow, own: OwnHosts): Promise<Identity>;
  /**
   * Who a caller is. One whose registration came over this very flow is taken at its word (unless `challengeInvite` is
   * "always"); everyone else is asked with 407, as towards a caller we stand in the path of the callee (§22.3).
   */
  identify(message: SipMessage, source: Flow, own: OwnHosts): Promise<CallerIdentity>;
  /** The user whose registration came over this very flow, when From names that user and no password is offered. */
  registered(message: SipMessage, source: Flow, own: OwnHosts): Promise<Known | undefined>;
}

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { secret, clock, limit } = options;

  const overFlow = async (user: string, source: Flow): Promise<Binding | undefined> =>
    (await options.bindings(user)).find(
      // Behind a proxy many users share a flow, which then tells nobody.
      ({ flow, path }) => path === undefined && isSameFlow(flow, source),
    );

  const check = async (
    message: SipMessage,
    source: Flow,
    own: OwnHosts,
    proxy: boolean,
  ): Promise<CallerIdentity> => {
    const now = clock.now();
    const status = proxy ? 407 : 401;
    // Browsers run SIP.js, which of several challenges sees the last alone, and knows no other than MD5.
    const browser = source.transport === "ws" || source.transport === "wss";
    const agent = message.header("user-agent") ?? "";
    const simple = browser || options.md5OnlyAgents.some((beginning) => agent.startsWith(beginning));
    const offered = simple ? (["MD5"] as const) : byPreference(options.firstDigest);
    const ask = (cause: "no-credentials" | "stale" | "wrong" | "malformed"): Identity => ({
      outcome: "refused", cause, status,
      headers: challenges(own.domain, secret, now, cause === "stale", offered).map((value) => [proxy ? "Proxy-Authenticate" : "WWW-Authenticate", value] as const),
    }); // prettier-ignore
    const credentials = credentialsFor(
      own.domain,
      message.headers(proxy ? "proxy-authorization" : "authorization"),
    );
    if (credentials === undefined) {
      const asked = message.method === "REGISTER" ? message.to.uri.user : message.requestUri?.user;
      options.conduct.offended(source, "sweep", asked ?? "-");
      return ask("no-credentials");
    }
    if (typeof credentials === "string") return ask("malformed");
    const { username } = credentials;
    const waitS = limit.waitSeconds(source.host, username);
    if (waitS > 0)
      return { outcome: "refused", cause: "limit", status: 503, headers: [["Retry-After", String(waitS)]] };
    const user = await options.user(username);
    const sound = sameResource(credentials.uri, message, own);
    const password = user || !proxy ? undefined : await options.trunkPassword(username);
    const ha1 = password === undefined ? user?.ha1 : digestHashes(username, own.domain, password);
    const verdict = verifyDigest(credentials, message.method, ha1, secret, now);
    if (verdict === "stale") return ask("stale");
    if (verdict === "wrong" || !sound || !ha1) {
      limit.fail(source.host, username);
      options.conduct.offended(source, "wrong-password", username);
      return ask("wrong");
    }
    limit.succeed(source.host, username);
    options.conduct.proved(source);
    return user ? { outcome: "known", user, by: "digest" } : { outcome: "trunk", username };
  };

  const registered: Authenticator["registered"] = async (message, source, own) => {
    if (message.header("proxy-authorization") !== undefined) return undefined;
    const from = addresseeOf(message.from.uri, own);
    const user = from.kind === "name" ? await options.user(from.name) : undefined;
    const binding = user && (await overFlow(user.id, source));
    if (binding) options.conduct.proved(source);
    return user && binding && { outcome: "known", user, by: "registration", binding: binding.key };
  };

  return {
    registered,
    async prove(message, source, own) {
      const identity = await check(message, source, own, false);
      if (identity.outcome === "trunk") throw new Error("a trunk cannot register");
      return identity;
    },
    async identify(message, source, own) {
      const known =
        options.challengeInvite === "unregistered" ? await registered(message, source, own) : undefined;
      if (known) return known;
      const identity = await check(message, source, own, true);
      if (identity.outcome !== "known" || source.connection === undefined) return identity;
      const binding = await overFlow(identity.user.id, source);
      return { ...identity, ...(binding && { binding: binding.key }) };
    },
  };
}

const byPreference = (first: Algorithm): readonly Algorithm[] =>
  algorithms.toSorted((a, b) => Number(b === first) - Number(a === first));

/** The same socket of the peer: for streams the same connection too. */
export const isSameFlow = (a: Flow, b: Flow): boolean =>
  a.transport === b.transport &&
  a.host === b.host &&
  a.port === b.port &&
  a.connection === b.connection &&
  a.instance === b.instance;

/**
 * RFC 7616 §3.4.6: the digest's uri must name what the request is for. Some clients write the domain, or the address they
 * send to, in place of the request-URI; both are ours and so the same.
 */
function sameResource(digestUri: string, message: SipMessage, own: OwnHosts): boolean {
  if (digestUri === message.uri) return true;
  const uri = parseUri(digestUri);
  if (!uri || (uri.scheme !== "sip" && uri.scheme !== "sips") || !isOwnHost(own, uri.host)) return false;
  return uri.user === undefined || uri.user === message.requestUri?.user;
}
