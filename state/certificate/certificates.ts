import { createHash, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext, type TlsOptions } from "node:tls";
import { everyBeat } from "#common/beat.ts";
import { readKeyPair } from "#common/certificate/key-pair.ts";
import { selfSigned, type KeyPair } from "#common/certificate/self-signed.ts";
import type { Config } from "#common/config.ts";
import type { Logger } from "#common/log.ts";
import { clusterCertificate, type CertificateClient } from "./cluster-certificate.ts";

/** How often the files are looked at, in ms: a renewal is served within it, and no process is restarted. */
const LOOK_MS = 10_000;

/** What a TLS server of this process shows. */
export interface Certificates {
  /** For `createServer`; the certificate for a name is chosen at each handshake (RFC 6066 §3). */
  readonly serverOptions: Pick<TlsOptions, "minVersion" | "cert" | "key" | "SNICallback">;
  /** The first certificate and its key: what we show when we connect to somebody. */
  readonly own: KeyPair;
  /** Told when the files have changed; clients that name no host get what `serverOptions` holds then. */
  onChange(handler: () => void): void;
  /** Idempotent. */
  close(): void;
}

interface Shown {
  readonly pair: KeyPair;
  readonly leaf: X509Certificate;
  readonly context: SecureContext;
}

/**
 * The configured certificates, read again when their files change or on SIGHUP; without any, the cluster's self-signed one.
 *
 * @param names what the self-signed one stands for besides the domain
 * @throws CrossbandError CONFIG_INVALID when a configured file cannot be used
 */
export async function openCertificates(
  redis: CertificateClient,
  config: Config["sip"],
  names: readonly string[],
  log: Logger,
): Promise<Certificates> {
  const { certificate, key, others } = config.tls;
  const files = [
    ...(certificate !== undefined && key !== undefined ? [{ certificate, key }] : []),
    ...others,
  ];
  const load = (): Shown[] => files.map((file) => shown(readKeyPair(file)));
  const make = (): Promise<KeyPair> => selfSigned(config.domain, names, Date.now());
  let current = files.length > 0 ? load() : [shown(await clusterCertificate(redis, make))];
  const handlers: (() => void)[] = [];

  const reload = (): void => {
    try {
      const next = load();
      if (printOf(next) === printOf(current)) return;
      current = next;
      log.info({ expires: next.map(({ leaf }) => leaf.validTo) }, "certificates changed");
      for (const handler of handlers) handler();
    } catch (error) {
      // Half of a renewal, or a mistake: the old ones go on, and the next look tries again.
      log.warn({ error: String(error) }, "certificates not taken");
    }
  };
  const first = (): Shown => {
    const [shownFirst] = current;
    if (!shownFirst) throw new Error("no certificate");
    return shownFirst;
  };
  warnOfExpiry(current, log);
  const stopBeat = files.length > 0 ? everyBeat(LOOK_MS, reload) : undefined;
  if (files.length > 0) process.on("SIGHUP", reload);

  return {
    get serverOptions() {
      const { pair } = first();
      return {
        minVersion: "TLSv1.2" as const,
        cert: pair.certificate,
        key: pair.key,
        SNICallback: (name: string, done: (error: Error | null, context?: SecureContext) => void) => {
          done(null, (current.find(({ leaf }) => leaf.checkHost(name) !== undefined) ?? first()).context);
        },
      };
    },
    get own() {
      return first().pair;
    },
    onChange(handler) {
      handlers.push(handler);
    },
    close() {
      stopBeat?.();
      process.off("SIGHUP", reload);
    },
  };
}

const shown = (pair: KeyPair): Shown => ({
  pair,
  leaf: new X509Certificate(pair.certificate),
  context: createSecureContext({ cert: pair.certificate, key: pair.key, minVersion: "TLSv1.2" }),
});

const printOf = (list: readonly Shown[]): string =>
  list.map(({ pair }) => createHash("sha256").update(pair.certificate).update(pair.key).digest("hex")).join();

function warnOfExpiry(list: readonly Shown[], log: Logger): void {
  for (const { leaf } of list)
    if (new Date(leaf.validTo).getTime() < Date.now() + 14 * 86_400_000)
      log.warn({ expires: leaf.validTo, subject: leaf.subject }, "certificate expires soon");
}
