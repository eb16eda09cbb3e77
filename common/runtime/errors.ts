// The error classes that may cross a port, and nothing else may.

/** What a failing source means to the runner (see docs/connectors.md). Anything not of these kinds is a bug. */
export type ConnectorFailure = "unavailable" | "unauthorized" | "misconfigured" | "cursor_lost" | "bad_data";

/** A message says what was tried, what happened, and what the operator should do next. */
export class MillraceError extends Error {
  override name = "MillraceError";
}

/** Thrown by connectors; the kind decides what the runner does. */
export class ConnectorError extends MillraceError {
  override name = "ConnectorError";
  readonly kind: ConnectorFailure;
  constructor(kind: ConnectorFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** A caller's mistake that names every problem at once: configuration, packs, command lines. */
export class ConfigError extends MillraceError {
  override name = "ConfigError";
  readonly issues: readonly Issue[];
  constructor(subject: string, issues: readonly Issue[]) {
    super(
      `${subject}: ${issues.length} problem${issues.length === 1 ? "" : "s"}\n${issues.map(formatIssue).join("\n")}`,
    );
    this.issues = issues;
  }
}

/** One problem in something a person wrote. `path` is dotted (`connections[0].poll_ms`), lines and columns from 1. */
export interface Issue {
  readonly path: string;
  readonly message: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
}

export type ParseResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly issues: readonly Issue[] };

/** `file:line:column path: message`, leaving out what is not known. */
export function formatIssue(issue: Issue): string {
  const place = [issue.file, issue.line, issue.column].filter((part) => part !== undefined).join(":");
  return `  ${place === "" ? "" : `${place} `}${issue.path === "" ? "" : `${issue.path}: `}${issue.message}`;
}

/** The message of anything thrown, for people: foreign text is quoted as it came, on one line, bounded. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\s+/g, " ").slice(0, 2000);
}

/** For states that the types allow and the design does not. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant: ${message}`);
}
