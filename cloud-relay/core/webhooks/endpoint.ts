// A webhook endpoint: who receives which events, in which form, signed by what; and how it fares.
import type { Origin } from "#common/contract/entry.ts";
import type { Revision } from "../store.ts";

/** `v1`: HMAC-SHA-256, a shared secret. `v1a`: Ed25519, the receiver holds the public key only. */
export type SignatureKind = "v1" | "v1a";

export interface EndpointSecret {
  readonly id: string;
  readonly kind: SignatureKind;
  /** `whsec_…` or `whsk_…`, sealed by the relay's own key (SecretBox). */
  readonly sealed: string;
  /** Of v1a: `whpk_…`. */
  readonly publicKey?: string;
  readonly createdAtMs: number;
  /** From then on it signs nothing; undefined: the current one. */
  readonly expiresAtMs: number | undefined;
}

/** Sent with every delivery. Sensitive ones are sealed at rest and masked wherever they are shown. */
export interface EndpointHeader {
  readonly name: string;
  readonly sealed: string;
}

/** `http`: POSTs to `url`. `listener`: handed to a developer's machine that listens over its own connection (`millrace-relay listen`). */
export type EndpointTransport = "http" | "listener";
/** `full`: with the record; `thin`: ids and a link. */
export type PayloadForm = "full" | "thin";

export interface EndpointDisabled {
  readonly reason: "by_user" | "gone" | "failing" | "receiver_asked" | "listener_ended";
  readonly detail: string;
  readonly atMs: number;
}

export interface EndpointRow {
  /** `whe_…` */
  readonly id: string;
  readonly workspaceId: string;
  /** Only events of this connection; undefined: of the whole workspace. */
  readonly connectionId: string | undefined;
  readonly name: string;
  readonly transport: EndpointTransport;
  readonly url: string;
  /** `purchase_order.updated`, `purchase_order.*` or `*`. */
  readonly types: readonly string[];
  /** Record events of other origins are left out; events without an origin always pass. */
  readonly origins: readonly Origin[];
  /** Whether changes come that a write through this relay caused. */
  readonly echoes: boolean;
  /** CEL over the payload, `event`; undefined: every event. */
  readonly condition: string | undefined;
  readonly payload: PayloadForm;
  /** Shape of the payload, pinned when the endpoint is made. */
  readonly payloadVersion: 1;
  /** `record`: a record's next event waits until the one before is delivered or given up. */
  readonly ordering: "none" | "record";
  /** Deliveries a second; undefined: no limit of its own. */
  readonly perSecond: number | undefined;
  readonly atOnce: number;
  readonly headers: readonly EndpointHeader[];
  /** Current ones first; old ones sign until they expire. */
  readonly secrets: readonly EndpointSecret[];
  readonly disabled: EndpointDisabled | undefined;
  /** Events at or before it are not for this endpoint. */
  readonly fromPosition: Revision;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export type BreakerState = "closed" | "open" | "half_open";

/** What its last attempts have shown; kept with their outcomes, in one transaction. */
export interface EndpointHealth {
  /** Grows when somebody has it forgotten what was: attempts that began before say nothing about what is now. */
  readonly round: number;
  readonly breaker: BreakerState;
  readonly consecutiveFailures: number;
  /** First failure since the last success. */
  readonly failingSinceMs: number | undefined;
  readonly lastSuccessAtMs: number | undefined;
  readonly lastFailureAtMs: number | undefined;
  /** Nothing is sent before: an open breaker, Retry-After, throttling. */
  readonly parkedUntilMs: number | undefined;
}

export const HEALTHY: EndpointHealth = {
  round: 0,
  breaker: "closed",
  consecutiveFailures: 0,
  failingSinceMs: undefined,
  lastSuccessAtMs: undefined,
  lastFailureAtMs: undefined,
  parkedUntilMs: undefined,
};
