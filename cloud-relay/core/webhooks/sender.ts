// What delivering needs from outside: sending, signing, sealing, conditions. Implemented at the edge (cloud-relay/webhooks).
import type { AttemptError, AttemptTimings } from "./delivery.ts";
import type { EndpointSecret, SignatureKind } from "./endpoint.ts";

export interface OutgoingRequest {
  readonly endpointId: string;
  readonly url: string;
  /** Complete: signature, custom headers and all. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface SendResult {
  /** Undefined: there is `error`. */
  readonly status: number | undefined;
  readonly error: AttemptError | undefined;
  readonly detail: string | undefined;
  /** A few that say something, lower case: content-type, retry-after, server, date, location, webhook-delivery … */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly remoteAddress: string | undefined;
  readonly timings: AttemptTimings;
}

/** One try. Never throws for what the receiver does. Bounded: 10 s in all, no redirects, MAX_RESPONSE_BYTES of the answer. */
export interface Sender extends AsyncDisposable {
  send(request: OutgoingRequest, signal: AbortSignal): Promise<SendResult>;
  /** Why nothing would ever be sent to this address, for whoever sets it; undefined: it may be tried. Asks no name server. */
  refusal(url: string): string | undefined;
}

/** Standard Webhooks: `v1,<base64>` and `v1a,<base64>` over `id.timestamp.body`. */
export interface Signer {
  /** A new secret and, of v1a, its public key. */
  newSecret(kind: SignatureKind): { readonly secret: string; readonly publicKey: string | undefined };
  /** Checks a secret that somebody brings along. @throws MillraceError with what it must look like */
  adopt(secret: string): { readonly kind: SignatureKind; readonly publicKey: string | undefined };
  /** Value of `webhook-signature`: of each secret that is given, in order, separated by spaces. `timestamp` in s. */
  sign(secrets: readonly string[], id: string, timestamp: number, body: string): string;
}

/** Keeps what must be read again: sealed under a key of the relay's own, bound to where it belongs. */
export interface SecretBox {
  /** `place`: of what row and column it is, `endpoint/whe_…/secret`; a text moved elsewhere does not open. */
  seal(text: string, place: string): string;
  /** @throws MillraceError when it was altered, moved, or sealed under another key */
  open(sealed: string, place: string): string;
}

export interface Conditions {
  /** @throws MillraceError with the place and what is wrong */
  compile(source: string): Condition;
}

/** Of `event`, a payload. What does not evaluate is no match, and is counted. */
export type Condition = (event: Readonly<Record<string, unknown>>) => boolean;

export const placeOfSecret = (endpointId: string, { id }: Pick<EndpointSecret, "id">): string =>
  `endpoint/${endpointId}/secret/${id}`;
export const placeOfHeader = (endpointId: string, name: string): string =>
  `endpoint/${endpointId}/header/${name.toLowerCase()}`;
