import { expect } from "vitest";

/** Watches a group's floor from outside, through the API, as a user of the system may. */
export async function watchFloor(http: string, user: string, password: string, group: string) {
  const session = await fetch(`${http}/v1/session`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ user, password }),
  });
  const { token } = (await session.json()) as { token: string };
  const state = async (): Promise<string> => {
    const response = await fetch(`${http}/v1/groups/${group}`, {
      headers: { authorization: `Bearer ${token}` },
    }).catch(() => undefined);
    if (response?.ok !== true) return "unknown";
    const { snapshot } = (await response.json()) as { snapshot: { floor: { state: string } } };
    return snapshot.floor.state;
  };
  return {
    state,
    /** Resolves with how long it took, in ms; fails when the floor is not so within the limit. */
    async until(wanted: "idle" | "taken", limitMs: number): Promise<number> {
      const startedMs = Date.now();
      await expect
        .poll(state, { timeout: limitMs, interval: 50, message: `floor ${wanted} within ${limitMs} ms` })
        .toBe(wanted);
      return Date.now() - startedMs;
    },
  };
}
