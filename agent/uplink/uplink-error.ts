// Why the agent could not reach, trust or please the relay.
import { MillraceError } from "#common/runtime/errors.ts";

export type UplinkFailure =
  /** Name, network, port, or no answer in time: try again with backoff. */
  | "unreachable"
  /** The proxy answered, but not with a tunnel. */
  | "proxy"
  /** TLS: the certificate is not one that this machine trusts, or not for this name. */
  | "untrusted"
  /** Something answered that is not a relay, or speaks otherwise than a relay. */
  | "protocol"
  /** The relay (or the agent itself, about the relay) ended the handshake with a close code. */
  | "refused"
  /** The caller's signal. */
  | "aborted";

export class UplinkError extends MillraceError {
  override name = "UplinkError";
  readonly kind: UplinkFailure;
  /** One of `CLOSE`, for `refused`. */
  readonly closeCode: number | undefined;
  /** The relay asks not to be called before, ms from now. */
  readonly retryAfterMs: number | undefined;

  constructor(
    kind: UplinkFailure,
    message: string,
    options: ErrorOptions & { readonly closeCode?: number; readonly retryAfterMs?: number | undefined } = {},
  ) {
    super(message, options);
    this.kind = kind;
    this.closeCode = options.closeCode;
    this.retryAfterMs = options.retryAfterMs;
  }
}
