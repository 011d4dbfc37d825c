import type { KeyPair } from "#common/certificate/self-signed.ts";
import { clusterCertificateKey } from "./certificate.keys.ts";

/** The two commands that this needs. */
export interface CertificateClient {
  get(key: string): Promise<string | null>;
  setnx(key: string, value: string): Promise<number>;
}

/**
 * The certificate that the whole cluster serves while none is configured, made by whoever asks first: a telephone that
 * trusts it may meet any machine. It is kept as it is: whoever reads Redis finds the cluster's secret and the passwords' hashes
 * there as well, so a cipher whose key lies beside it would protect nothing.
 */
export async function clusterCertificate(
  redis: CertificateClient,
  make: () => Promise<KeyPair>,
): Promise<KeyPair> {
  const known = await redis.get(clusterCertificateKey);
  if (known !== null) return JSON.parse(known) as KeyPair;
  await redis.setnx(clusterCertificateKey, JSON.stringify(await make()));
  const first = await redis.get(clusterCertificateKey);
  if (first === null) throw new Error("certificate vanished between SETNX and GET");
  return JSON.parse(first) as KeyPair;
}
