import { pino, type Logger } from "pino";

export type { Logger } from "pino";

/** Fields whose values never reach a log: credentials, and digits dialled on a live call. */
const SECRET_FIELDS = ["password", "secret", "authorization", "token", "ha1", "digit", "digits"];

/**
 * The process's logger: one JSON object a line on standard error.
 * Log events, not prose: a fixed message, values as fields, `logger.child({ callId })` for context.
 */
export function createLogger(role: string, instance: string, level = process.env["CROSSBAND_LOG"] ?? "info"): Logger {
  return pino(
    {
      level,
      base: { role, instance },
      redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: "[secret]" },
    },
    pino.destination({ dest: 2, sync: false }),
  );
}

/** A logger that drops everything, for tests. */
export const silent: Logger = pino({ level: "silent" });
