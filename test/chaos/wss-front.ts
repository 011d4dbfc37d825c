import { createMetrics } from "#api/metrics.ts";
import { openSecureListener, type SecureListener } from "#api/secure-listener.ts";
import { createSipProxy, type SipProxy } from "#api/sip/sip-proxy.ts";
import { selfSigned } from "#common/certificate/self-signed.ts";
import { silent } from "#common/log.ts";
import type { Certificates } from "#state/certificate/certificates.ts";
import { listInstances } from "#state/instance/instance.ts";
import type { RedisConnection } from "#state/redis/connection.ts";

const HOST = "127.0.0.1";

/** The api's SIP over secure WebSocket, once for each instance, so that a phone may choose which it meets. */
export interface WssFront {
  /** `host:port` that leads to an instance. */
  addressOf(instance: string): string;
  close(): Promise<void>;
}

/** @param instances names that instances begin with over all their lives */
export async function openWssFront(redis: RedisConnection, instances: readonly string[]): Promise<WssFront> {
  const pair = await selfSigned("chaos.local", [HOST], Date.now());
  const certificates: Certificates = {
    serverOptions: { minVersion: "TLSv1.2", cert: pair.certificate, key: pair.key },
    own: pair,
    onChange: () => undefined,
    close: () => undefined,
  };
  const open = async (name: string): Promise<{ proxy: SipProxy; listener: SecureListener }> => {
    const listSignaling = async () =>
      (await listInstances(redis)).filter(({ instance }) => instance.startsWith(`${name}-`));
    const proxy = createSipProxy({ listSignaling, metrics: createMetrics(), log: silent });
    const listener = await openSecureListener(HOST, 0, certificates, {
      request: (_request, response) => {
        response.writeHead(426).end();
      },
      upgrade: (request, socket, head) => {
        proxy.upgrade(request, socket, head);
      },
    });
    return { proxy, listener };
  };
  const doors = new Map(await Promise.all(instances.map(async (name) => [name, await open(name)] as const)));
  return {
    addressOf: (instance) => doors.get(instance)?.listener.address ?? "",
    async close() {
      for (const { proxy, listener } of doors.values()) {
        proxy.close();
        await listener.close();
      }
    },
  };
}
