import type { RedisConnection } from "#state/redis/connection.ts";
import type { Binding } from "#state/registration/binding.ts";
import { fetchBindings } from "#state/registration/fetch-bindings.ts";
import { flowNameOf, followFlow, unfollow } from "#state/registration/follow-flow.ts";
import type { Registration } from "#signaling/sip-port/sip-port.ts";
import type { Whereabouts } from "./engine/lost-flows.ts";

/** Where clients are, by the registrations in Redis. */
export function createWhereabouts(redis: RedisConnection): Whereabouts {
  return {
    async flowsOf(client) {
      const bindings = await fetchBindings(redis, client.user);
      const found =
        "key" in client
          ? ofDevice(bindings, client)
          : bindings.filter(({ uri, flow }) => uri === client.contact && flow.transport === "udp");
      return found.map(({ flow }) => flow);
    },
    async note({ user, key, leg, flow }) {
      const name = flow && flowNameOf(flow);
      if (name === undefined) await unfollow(redis, user, leg);
      else await followFlow(redis, user, { leg, flow: name, key });
    },
  };
}

/** The binding itself, then the other flows of the same device in the order of their reg-id (RFC 5626 §4.2.1). */
function ofDevice(bindings: readonly Binding[], { key }: Registration): Binding[] {
  const device = key.startsWith("<") ? key.slice(0, key.lastIndexOf("|")) : undefined;
  const others = bindings.filter(
    (binding) => binding.key !== key && device !== undefined && binding.instanceId === device,
  );
  return [
    ...bindings.filter((binding) => binding.key === key),
    ...others.sort((a, b) => (a.regId ?? 0) - (b.regId ?? 0)),
  ];
}
