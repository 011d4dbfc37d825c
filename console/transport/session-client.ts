import type { GroupCard, Operator } from "../model/console.state.ts";

/** What the server tells a console that signs in. */
export interface Session {
  readonly token: string;
  readonly user: Operator;
  readonly domain: string;
  /** SIP over WebSocket and the event socket, relative to the page's server. */
  readonly sip: string;
  readonly events: string;
  readonly groups: readonly GroupCard[];
}

export type SignIn =
  | { readonly outcome: "opened"; readonly session: Session }
  | { readonly outcome: "wrong" }
  | { readonly outcome: "limited"; readonly waitSeconds: number }
  | { readonly outcome: "unreachable" }
  | { readonly outcome: "failed" };

const ANSWER_MS = 10_000;

/** `POST /v1/session`. */
export async function signIn(user: string, password: string): Promise<SignIn> {
  let response: Response;
  try {
    response = await fetch("/v1/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ user, password }),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
  } catch {
    return { outcome: "unreachable" };
  }
  switch (response.status) {
    case 201:
      return { outcome: "opened", session: (await response.json()) as Session };
    case 400:
    case 401:
      return { outcome: "wrong" };
    case 429:
      return { outcome: "limited", waitSeconds: Number(response.headers.get("Retry-After")) || 60 };
    default:
      return { outcome: "failed" };
  }
}

/** `DELETE /v1/session`; the session ends by itself if this does not get through. */
export async function signOut(token: string): Promise<void> {
  await fetch("/v1/session", {
    method: "DELETE",
    headers: { Authorization: `Bearer ${token}` },
    keepalive: true,
  }).catch(() => undefined);
}

/** A path of this server as a WebSocket address. */
export function webSocketUrl(path: string): string {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
