import { pino, type Logger } from "pino";

export type { Logger } from "pino";

/** Fields whose values never reach a log: credentials, and digits dialled on a live call. */
const SECRET_FIELDS = ["password", "secret", "authorization", "token", "ha1", "digit", "digits"];

/**
 * The process's logger: one JSON object a line, on standard error or appended to the file that CROSSBAND_LOG_FILE names.
 * Log events, not prose: a fixed message, values as fields, `logger.child({ callId })` for context.
 */
export function createLogger(
  role: string,
  instance: string,
  level = process.env["CROSSBAND_LOG"] ?? "info",
): Logger {
  return pino(
    {
      level,
      base: { role, instance },
      redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: "[secret]" },
    },
    pino.destination({ dest: process.env["CROSSBAND_LOG_FILE"] ?? 2, sync: false, append: true }),
  );
}

/** A logger that drops everything, for tests. */
export const silent: Logger = pino({ level: "silent" });
