// The Logger port on pino: JSON lines on stdout, secrets replaced wherever they turn up.
import { pino, stdTimeFunctions, type DestinationStream, type Logger as PinoLogger } from "pino";
import type { LogFields, Logger } from "#common/runtime/logger.ts";
import { maskUrlPassword } from "#common/runtime/secret-reference.ts";

/** Shorter ones would blot out ordinary text. */
const MIN_SECRET_CHARS = 4;
const REDACTED = "***";

export interface LoggerOptions {
  readonly level: "debug" | "info" | "warn" | "error";
  /** Texts that must not be written, whatever field or message holds them. */
  readonly secrets: readonly string[];
  /** Default: stdout, written synchronously, so that the last words before a crash are there. */
  readonly destination?: DestinationStream;
}

export function createLogger(options: LoggerOptions): Logger {
  const redact = redactor(options.secrets);
  const destination = options.destination ?? pino.destination({ dest: 1, sync: true });
  const base = pino(
    {
      level: options.level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      messageKey: "message",
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => destination.write(redact(line)) },
  );
  return adapt(base);
}

/** Replaces every secret in a line of JSON, in the spelling that JSON gives it. */
export function redactor(secrets: readonly string[]): (line: string) => string {
  const spellings = new Set<string>();
  for (const secret of secrets) {
    if (secret.length < MIN_SECRET_CHARS) continue;
    for (const text of [secret, encodeURIComponent(secret), Buffer.from(secret).toString("base64")])
      spellings.add(JSON.stringify(text).slice(1, -1));
  }
  const longestFirst = [...spellings].toSorted((a, b) => b.length - a.length);
  return (line) => {
    let text = maskUrlPassword(line);
    for (const spelling of longestFirst)
      if (text.includes(spelling)) text = text.replaceAll(spelling, () => REDACTED);
    return text;
  };
}

function adapt(log: PinoLogger): Logger {
  return {
    debug: (fields, message) => log.debug(plain(fields), message),
    info: (fields, message) => log.info(plain(fields), message),
    warn: (fields, message) => log.warn(plain(fields), message),
    error: (fields, message) => log.error(plain(fields), message),
    child: (fields) => adapt(log.child(plain(fields))),
  };
}

function plain(fields: LogFields): Record<string, unknown> {
  return { ...fields };
}
