// Collects what one section of `doctor` found, and bounds each look in time.
import type { DoctorCheck } from "#agent/core/doctor-report.ts";
import {
  ConfigError,
  ConnectorError,
  formatIssue,
  MillraceError,
  messageOf,
} from "#common/runtime/errors.ts";

type Outcome = DoctorCheck["outcome"];

export class Checks {
  readonly list: DoctorCheck[] = [];

  ok(check: string, text: string, more: readonly string[] = []): void {
    this.add("ok", check, text, more);
  }

  warning(check: string, text: string, more: readonly string[] = []): void {
    this.add("warning", check, text, more);
  }

  failed(check: string, text: string, more: readonly string[] = []): void {
    this.add("failed", check, text, more);
  }

  skipped(check: string, text: string, more: readonly string[] = []): void {
    this.add("skipped", check, text, more);
  }

  add(outcome: Outcome, check: string, text: string, more: readonly string[] = []): void {
    this.list.push(more.length === 0 ? { check, outcome, text } : { check, outcome, text, more });
  }
}

/** The words of a failure that the product knows; anything else is a bug, and thrown on. */
export function wordsOf(error: unknown): string {
  if (error instanceof ConfigError) return error.issues.map(formatIssue).join("\n");
  if (error instanceof ConnectorError) return `${error.kind}: ${error.message}`;
  if (error instanceof MillraceError) return error.message;
  throw error;
}

/** Of the operating system's failures: what it says, with its code. */
export function systemWordsOf(error: unknown): string {
  const code = codeOf(error);
  const message = messageOf(error);
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Ends with the caller's signal, or after `limitMs`. */
export function limited(signal: AbortSignal, limitMs: number): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
}
