// Why an attempt came to no status: one of the port's error words, and a sentence for people that names no private address.
import type { AttemptError } from "#relay/core/webhooks/delivery.ts";
import { MillraceError } from "#common/runtime/errors.ts";

export class SendFailure extends MillraceError {
  override name = "SendFailure";
  readonly error: AttemptError;
  constructor(error: AttemptError, detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.error = error;
  }
}

/** Of every refused address the same sentence: it must not tell what answers inside. */
export const BLOCKED = "blocked address: webhooks may not go there";

/** Ours: no place for another socket. */
const NO_RESOURCES = new Set(["EMFILE", "ENFILE", "EADDRNOTAVAIL", "ENOBUFS", "ENOMEM"]);
const NO_ROUTE = new Set(["ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EHOSTDOWN"]);
const RESET = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED", "UND_ERR_SOCKET"]);

/** What went wrong while a TCP connection was made. `isOnline`: whether this machine has any network. */
export function connectFailure(error: unknown, isOnline: () => boolean): SendFailure {
  if (error instanceof SendFailure) return error;
  const codes = codesOf(error);
  const has = (known: ReadonlySet<string>): boolean => codes.some((code) => known.has(code));
  const options = { cause: error };
  if (has(NO_RESOURCES)) return new SendFailure("local_fault", "the relay has no free socket", options);
  if (has(NO_ROUTE) && !isOnline())
    return new SendFailure("local_fault", "the relay's machine has no network", options);
  if (codes.includes("ETIMEDOUT"))
    return new SendFailure("timed_out", "the receiver did not answer the connection in time", options);
  const what = codes.includes("ECONNREFUSED")
    ? "the receiver refused the connection: nothing listens at that port"
    : has(NO_ROUTE)
      ? "there is no route to the receiver"
      : `the connection could not be made (${codes[0] ?? "unknown reason"})`;
  return new SendFailure("connect_failed", what, options);
}

/** What went wrong while TLS was agreed on. */
export function tlsFailure(error: unknown): SendFailure {
  if (error instanceof SendFailure) return error;
  const [code = "unknown reason"] = codesOf(error);
  const options = { cause: error };
  const certificate = CERTIFICATE_PROBLEMS[code];
  if (certificate !== undefined)
    return new SendFailure("tls_failed", `the receiver's certificate is not valid: ${certificate}`, options);
  if (RESET.has(code))
    return new SendFailure("tls_failed", "the receiver closed the connection during the handshake", options);
  return new SendFailure("tls_failed", `no TLS with the receiver (${code})`, options);
}

const CERTIFICATE_PROBLEMS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "it has expired",
  CERT_NOT_YET_VALID: "it is not valid yet",
  CERT_REVOKED: "it was revoked",
  DEPTH_ZERO_SELF_SIGNED_CERT: "it is self-signed",
  SELF_SIGNED_CERT_IN_CHAIN: "its authority is not a known one",
  UNABLE_TO_GET_ISSUER_CERT: "its chain is incomplete or its authority not a known one",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its chain is incomplete or its authority not a known one",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its chain is incomplete or its authority not a known one",
  ERR_TLS_CERT_ALTNAME_INVALID: "it belongs to another name",
};

/** What went wrong between the request and the head of its answer. */
export function answerFailure(error: unknown): SendFailure {
  if (error instanceof SendFailure) return error;
  const codes = codesOf(error);
  const options = { cause: error };
  if (codes.includes("UND_ERR_HEADERS_OVERFLOW") || codes.includes("HPE_HEADER_OVERFLOW"))
    return new SendFailure("bad_answer", "the answer's headers are too large", options);
  if (codes.some((code) => RESET.has(code) || code.startsWith("UND_ERR_DESTROYED")))
    return new SendFailure("reset", "the receiver closed the connection before it answered", options);
  return new SendFailure(
    "bad_answer",
    `the answer is not valid HTTP (${codes[0] ?? "unknown reason"})`,
    options,
  );
}

function codesOf(error: unknown): readonly string[] {
  const inner = error instanceof AggregateError ? error.errors.flatMap(codesOf) : [];
  const own = error instanceof Error && "code" in error && typeof error.code === "string" ? [error.code] : [];
  return [...inner, ...own];
}
