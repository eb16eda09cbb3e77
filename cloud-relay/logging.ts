// The product's logger on pino: JSON lines on standard error, secrets masked.
import pino from "pino";
import type { LogFields, Logger } from "#common/runtime/logger.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Never written, wherever a log call puts them. */
const MASKED = ["token", "code", "secret", "authorization", "*.token", "*.secret", "*.authorization"];

export function createLogger(level: LogLevel): Logger {
  const options = {
    level,
    base: { app: "millrace-relay" },
    redact: MASKED,
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  return adapt(pino(options, pino.destination({ dest: 2, sync: true })));
}

function adapt(logger: pino.Logger): Logger {
  return {
    debug: (fields, message) => logger.debug(withError(fields), message),
    info: (fields, message) => logger.info(withError(fields), message),
    warn: (fields, message) => logger.warn(withError(fields), message),
    error: (fields, message) => logger.error(withError(fields), message),
    child: (fields) => adapt(logger.child(fields)),
  };
}

/** pino writes errors out under `err` only. */
function withError(fields: LogFields): LogFields {
  return fields["error"] instanceof Error ? { ...fields, err: fields["error"], error: undefined } : fields;
}
