// The errors that the API answers with: one table from code to status, so that no route invents its own.

interface ProblemKind {
  readonly status: number;
  readonly errorType: string;
  readonly title: string;
  /** Whether the same request may succeed later without a change. */
  readonly retryable: boolean;
  /** Of what may be retried: the header Retry-After where nothing better is known, s. */
  readonly retryAfterS?: number;
  /** A type that others have defined, instead of our own. */
  readonly type?: string;
}

/** Of the IANA registry of HTTP problem types. */
const QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded";

/** Every code the API can answer with. `docs/api.md` lists the same table and a test compares them. */
export const PROBLEM_KINDS = {
  INVALID_REQUEST: kind(400, "invalid_request_error", "The request is not valid"),
  INVALID_CURSOR: kind(400, "invalid_request_error", "The cursor is not valid"),
  AUTHENTICATION_REQUIRED: kind(401, "authentication_error", "A token is needed"),
  AUTHENTICATION_FAILED: kind(401, "authentication_error", "The token was not accepted"),
  TOKEN_EXPIRED: kind(401, "authentication_error", "The token has expired"),
  TOKEN_REVOKED: kind(401, "authentication_error", "The token was revoked"),
  INSUFFICIENT_SCOPE: kind(403, "permission_error", "The token may not do this"),
  CONNECTION_REAUTH_REQUIRED: kind(403, "connection_error", "The source refuses the agent's login"),
  NOT_ALLOWED_BY_PLANT: kind(403, "permission_error", "The plant does not allow it"),
  REJECTED_AT_PLANT: kind(403, "permission_error", "Somebody at the plant said no"),
  NOT_FOUND: kind(404, "not_found_error", "There is no such thing here"),
  RECORD_DELETED: kind(404, "not_found_error", "The record is gone from its source"),
  ROUTE_NOT_FOUND: kind(404, "not_found_error", "There is no such address"),
  METHOD_NOT_ALLOWED: kind(405, "invalid_request_error", "The address does not take this method"),
  NOT_ACCEPTABLE: kind(406, "invalid_request_error", "None of the accepted formats is available"),
  REQUEST_TIMEOUT: kind(408, "invalid_request_error", "The request took too long to arrive", 1),
  CONFLICT: kind(409, "conflict_error", "It conflicts with what exists"),
  CANCELLED: kind(409, "conflict_error", "It was cancelled before it began"),
  IDEMPOTENCY_IN_PROGRESS: kind(409, "conflict_error", "The first request with this key is under way", 1),
  CURSOR_EXPIRED: kind(410, "invalid_request_error", "The cursor points to what is no longer held"),
  PRECONDITION_FAILED: kind(412, "conflict_error", "The record is not as If-Match says"),
  VERSION_CONFLICT: kind(412, "conflict_error", "The record has changed at its source"),
  PAYLOAD_TOO_LARGE: kind(413, "invalid_request_error", "The body is too large"),
  URI_TOO_LONG: kind(414, "invalid_request_error", "The address is too long"),
  UNSUPPORTED_MEDIA_TYPE: kind(415, "invalid_request_error", "The body's format is not known"),
  IDEMPOTENCY_KEY_REUSED: kind(422, "invalid_request_error", "The key was used for another request"),
  REFUSED_BY_SOURCE: kind(422, "source_error", "The source refuses it by its own rules"),
  VALIDATION_FAILED: kind(422, "invalid_request_error", "The values cannot be written"),
  RATE_LIMIT_EXCEEDED: {
    ...kind(429, "rate_limit_error", "Too many requests", 5),
    type: QUOTA_EXCEEDED,
  },
  TOO_MANY_STREAMS: kind(429, "rate_limit_error", "Too many streams are open", 30),
  HEADERS_TOO_LARGE: kind(431, "invalid_request_error", "The headers are too large"),
  INTERNAL_ERROR: kind(500, "api_error", "Something went wrong in the relay", 5),
  UNSUPPORTED_OPERATION: kind(501, "invalid_request_error", "The connection has no such operation"),
  RESULT_TOO_LARGE: kind(502, "source_error", "The answer is too large to be carried"),
  SOURCE_ERROR: kind(502, "source_error", "The plant failed to answer", 10),
  UNKNOWN_OUTCOME: kind(502, "source_error", "Whether it was written is not known"),
  AGENT_OFFLINE: kind(503, "connection_error", "The agent is not connected", 30),
  OVERLOADED: kind(503, "api_error", "The relay cannot serve this now", 5),
  STORE_FULL: kind(503, "api_error", "The relay's disk is full", 60),
  SYSTEM_UNREACHABLE: kind(503, "connection_error", "The source cannot be reached", 30),
  WRITES_HALTED: kind(503, "connection_error", "Writes are stopped at the plant", 120),
  EXPIRED: kind(504, "connection_error", "Its time ended before it began", 5),
  SOURCE_TIMEOUT: kind(504, "source_error", "The source did not answer in time", 10),
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof PROBLEM_KINDS;

/** One wrong member. `pointer` is a JSON pointer into the body, or `#/query/<name>`. */
export interface ProblemIssue {
  readonly pointer: string;
  readonly detail: string;
}

/** What is wrong at the connection's plant, for answers that depend on it. */
export interface ProblemConnectionStatus {
  readonly state: string;
  readonly reason?: string;
  readonly advice?: string;
}

export interface ProblemExtras {
  readonly errors?: readonly ProblemIssue[];
  readonly connectionStatus?: ProblemConnectionStatus;
  readonly retryAfterSeconds?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The operation that this is about. */
  readonly operationId?: string;
  /** JSON: how the record stands now. */
  readonly current?: unknown;
  /** The source's own code, such as a constraint's. */
  readonly sourceCode?: string;
}

/** Thrown by domain functions and routes; the HTTP side turns it into a problem document (RFC 9457). */
export class Problem extends Error {
  override name = "Problem";
  readonly code: ProblemCode;
  readonly extras: ProblemExtras;

  constructor(code: ProblemCode, detail: string, extras: ProblemExtras = {}) {
    super(detail);
    this.code = code;
    this.extras = extras;
  }

  get status(): number {
    return PROBLEM_KINDS[this.code].status;
  }
}

/** The document itself. `type` is an address under docs/api.md's list of codes. */
export function problemDocument(problem: Problem, requestId: string): Record<string, unknown> {
  const { code, extras } = problem;
  const { status, errorType, title, retryable, type }: ProblemKind = PROBLEM_KINDS[code];
  return {
    type: type ?? `urn:millrace:problem:${code.toLowerCase().replaceAll("_", "-")}`,
    title,
    status,
    detail: problem.message,
    code,
    error_type: errorType,
    request_id: requestId,
    retryable,
    ...(extras.errors === undefined ? {} : { errors: extras.errors }),
    ...(extras.connectionStatus === undefined ? {} : { connection_status: extras.connectionStatus }),
    ...(extras.operationId === undefined ? {} : { operation_id: extras.operationId }),
    ...(extras.sourceCode === undefined ? {} : { source_code: extras.sourceCode }),
    ...(extras.current === undefined ? {} : { current: extras.current }),
  };
}

function kind(status: number, errorType: string, title: string, retryAfterS?: number): ProblemKind {
  const retryable = retryAfterS !== undefined;
  return { status, errorType, title, retryable, ...(retryable ? { retryAfterS } : {}) };
}
