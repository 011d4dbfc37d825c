import { CLUSTER_BUCKET } from "#state/instance/instance.keys.ts";
import { keyIn } from "#state/redis/bucket.ts";

/** String: JSON of the certificate and key that the cluster made for itself. */
export const clusterCertificateKey = keyIn(CLUSTER_BUCKET, "tls-certificate");
