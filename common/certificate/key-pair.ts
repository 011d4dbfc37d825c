import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { CrossbandError, ErrorCode } from "#common/errors.ts";
import type { KeyPair } from "./self-signed.ts";

/** Where a certificate chain and its key are kept, both PEM. */
export interface KeyPairFiles {
  readonly certificate: string;
  readonly key: string;
}

/**
 * Reads a certificate and its key.
 *
 * @throws CrossbandError CONFIG_INVALID that names the file: unreadable, no certificate, or a key that is not the
 *   certificate's (as in the moment in which a renewal has replaced one of the two)
 */
export function readKeyPair({ certificate, key }: KeyPairFiles): KeyPair {
  const pair = { certificate: read(certificate), key: read(key) };
  let matches: boolean;
  try {
    matches = new X509Certificate(pair.certificate).checkPrivateKey(createPrivateKey(pair.key));
  } catch (cause) {
    throw new CrossbandError(
      ErrorCode.ConfigInvalid,
      `${certificate} and ${key} must be a PEM certificate and its PEM key: ${(cause as Error).message}`,
      { certificate },
      { cause },
    );
  }
  if (!matches)
    throw new CrossbandError(ErrorCode.ConfigInvalid, `${key} is not the key of ${certificate}`, {
      certificate,
    });
  return pair;
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new CrossbandError(
      ErrorCode.ConfigInvalid,
      `cannot read ${file}: ${(cause as Error).message}`,
      { file },
      { cause },
    );
  }
}
