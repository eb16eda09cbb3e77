// Writes security events down: in the agent's log, and where the machine's monitoring looks (journald, Windows Event Log).
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import {
  SECURITY_EVENTS,
  securityMessage,
  type SecurityEventName,
  type SecurityEvents,
  type SecurityFields,
  type SecurityLevel,
} from "#agent/core/security-events.ts";
import { systemClock, type Clock } from "#common/runtime/clock.ts";
import { messageOf } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { installation } from "./installation.ts";
import { serviceHost } from "./secret-places.ts";

/** Of one kind, noted one by one; of more, the next says how many. A flood from outside must not become a flood of processes. */
const EVENTS_PER_MINUTE = 30;
const MINUTE_MS = 60_000;
const MAX_VALUE_CHARS = 1_000;
/** How long the last events may take to be written, and whatever hangs is not waited for. */
const WRITE_TIMEOUT_MS = 5_000;

const JOURNAL_SOCKET = "/run/systemd/journal/socket";
/** With the event's number behind it, the entry's MESSAGE_ID. */
const MESSAGE_ID_PREFIX = "5d0f1c7e9a3b4e62b8d4c60f2a71";
const PRIORITIES: Readonly<Record<SecurityLevel, number>> = { information: 6, warning: 4, error: 3 };
const LOG_LEVELS = { information: "info", warning: "warn", error: "error" } as const;

export interface NotedEvent {
  readonly name: SecurityEventName;
  readonly number: number;
  readonly level: SecurityLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** A program that takes one event on its standard input. */
export interface SystemSink {
  readonly command: string;
  args(event: NotedEvent): readonly string[];
  input(event: NotedEvent): string;
}

export interface SecurityLogOptions {
  /** Absent: a command of the command line, whose output is for people. */
  readonly logger?: Logger;
  readonly sink: SystemSink | undefined;
  /** Takes secrets out of what is written to the system. */
  readonly redact?: (text: string) => string;
  readonly clock?: Clock;
}

export class SecurityLog implements SecurityEvents, AsyncDisposable {
  readonly #options: SecurityLogOptions;
  readonly #clock: Clock;
  readonly #counts = new Map<SecurityEventName, { sinceMs: number; noted: number; unnoted: number }>();
  readonly #pending = new Set<Promise<void>>();
  #hasFailed = false;

  constructor(options: SecurityLogOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  note<Name extends SecurityEventName>(name: Name, fields: SecurityFields<Name>): void {
    const more = this.#unnoted(name);
    if (more === undefined) return;
    const { redact = (text: string): string => text, logger, sink } = this.#options;
    const { number, level } = SECURITY_EVENTS[name];
    const told = Object.fromEntries(
      Object.entries<string>(fields).map(([field, value]) => [field, redact(oneLine(value))]),
    );
    const message = `${securityMessage(name, told)}${more === 0 ? "" : ` (${more} before it were not noted)`}`;
    logger?.[LOG_LEVELS[level]]({ security_event: number, event: name, ...told }, message);
    if (sink !== undefined) this.#send(sink, { name, number, level, message, fields: told });
  }

  /** What is under way is written first. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#pending);
  }

  /** How many of this kind were passed over since the last that was noted; undefined: this one is, too. */
  #unnoted(name: SecurityEventName): number | undefined {
    const nowMs = this.#clock.monotonicMs();
    let count = this.#counts.get(name);
    if (count === undefined || nowMs - count.sinceMs >= MINUTE_MS) {
      count = { sinceMs: nowMs, noted: 0, unnoted: count?.unnoted ?? 0 };
      this.#counts.set(name, count);
    }
    if (count.noted >= EVENTS_PER_MINUTE) {
      count.unnoted += 1;
      return undefined;
    }
    count.noted += 1;
    const { unnoted } = count;
    count.unnoted = 0;
    return unnoted;
  }

  #send(sink: SystemSink, event: NotedEvent): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#pending.add(promise);
    const done = (problem?: string): void => {
      this.#pending.delete(promise);
      resolve();
      if (problem === undefined || this.#hasFailed) return;
      this.#hasFailed = true;
      this.#options.logger?.warn(
        {},
        `security events do not reach the system's own log: ${problem}; they are in this one`,
      );
    };
    const child = spawn(sink.command, [...sink.args(event)], {
      stdio: ["pipe", "ignore", "ignore"],
      timeout: WRITE_TIMEOUT_MS,
      windowsHide: true,
    });
    child.once("error", (error) => done(messageOf(error)));
    child.once("close", (code) =>
      done(code === 0 ? undefined : `${sink.command} ended with ${code ?? "a signal"}`),
    );
    child.stdin.on("error", () => {});
    child.stdin.end(sink.input(event));
  }
}

/** Where this machine's monitoring looks; undefined in a checkout that no service manager runs, and where there is no such place. */
export function systemSink(env: NodeJS.ProcessEnv): SystemSink | undefined {
  if (process.platform === "win32") {
    const host = serviceHost(env);
    return host === undefined ? undefined : eventLogSink(host);
  }
  const isService = env["JOURNAL_STREAM"] !== undefined || installation() !== undefined;
  return isService && existsSync(JOURNAL_SOCKET) ? JOURNAL_SINK : undefined;
}

/** `logger` is on every Linux; what it is given becomes the entry's fields. */
export const JOURNAL_SINK: SystemSink = {
  command: "logger",
  args: () => ["--journald"],
  input: ({ name, number, level, message, fields }) =>
    [
      ["MESSAGE", message],
      ["MESSAGE_ID", `${MESSAGE_ID_PREFIX}${number}`],
      ["PRIORITY", String(PRIORITIES[level])],
      ["SYSLOG_IDENTIFIER", "millrace-agent"],
      ["MILLRACE_EVENT", String(number)],
      ["MILLRACE_EVENT_NAME", name],
      ...Object.entries(fields).map(([field, value]) => [`MILLRACE_${field.toUpperCase()}`, value]),
    ]
      .map(([field, value]) => `${field}=${value}\n`)
      .join(""),
};

export function eventLogSink(host: string): SystemSink {
  return {
    command: host,
    args: ({ level, number }) => ["event", level, String(number)],
    input: ({ message }) => message,
  };
}

/** What comes from outside makes no second line, and no endless one. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ").slice(0, MAX_VALUE_CHARS);
}
