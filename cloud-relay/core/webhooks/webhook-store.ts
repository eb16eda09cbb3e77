// The part of the store that keeps endpoints, messages, deliveries and attempts.
import type { NewEvent, Revision, Scope } from "../store.ts";
import type { AttemptRow, AttemptTrigger, DeliveryRow, DeliveryState, MessageRow } from "./delivery.ts";
import type { EndpointHealth, EndpointRow } from "./endpoint.ts";

export interface StoredEndpoint {
  readonly row: EndpointRow;
  readonly health: EndpointHealth;
}

/** A workspace whose feed has events behind what was published of it. Only workspaces that have an endpoint. */
export interface FeedToPublish {
  readonly workspaceId: string;
  /** Up to and with here everything was published. */
  readonly published: Revision;
  readonly newest: Revision;
}

export interface NewDelivery {
  readonly id: string;
  readonly endpointId: string;
  readonly eventId: string;
  readonly trigger: AttemptTrigger;
  readonly dueAtMs: number;
}

export interface Publication {
  readonly workspaceId: string;
  /** Absent: deliveries of earlier events (a test, a recovery); the position stays. */
  readonly advance?: { readonly from: Revision; readonly to: Revision };
  readonly messages: readonly MessageRow[];
  readonly deliveries: readonly NewDelivery[];
  readonly events?: FeedNews;
  readonly atMs: number;
}

export interface DueQuery {
  readonly endpointId: string;
  readonly limit: number;
  readonly except: ReadonlySet<string>;
}

/** What an attempt came to. */
export interface Settlement {
  readonly attempt: AttemptRow;
  readonly endpointId: string;
  readonly state: DeliveryState;
  /** Of a pending one. */
  readonly nextAttemptAtMs: number | undefined;
  readonly firstAttemptAtMs: number;
}

/** Passed over, with what it tells, when the endpoint's health is in another round by then: somebody has enabled it meanwhile. */
export interface SettledEndpoint {
  readonly endpointId: string;
  readonly health: EndpointHealth;
  /** Disables it with this, if it is not disabled already. */
  readonly disabled?: EndpointRow["disabled"];
  readonly events?: FeedNews;
}

/** Appended to the feed; position and id are given by the store. */
export type FeedNews = readonly Omit<NewEvent, "position" | "id">[];

/** All of it in one transaction. */
export interface Settling {
  readonly settlements: readonly Settlement[];
  readonly endpoints: readonly SettledEndpoint[];
  readonly events: FeedNews;
}

export interface DeliveryQuery {
  readonly endpointId?: string;
  readonly connectionId?: string;
  readonly states?: readonly DeliveryState[];
  readonly types?: readonly string[];
  readonly eventId?: string;
  readonly recordId?: string;
  /** Status of the newest attempt; 0: none came. */
  readonly status?: number;
  /** Created at or after, and before; ms. */
  readonly afterMs?: number;
  readonly beforeMs?: number;
  /** Only what was created before this delivery. */
  readonly afterId?: string;
  readonly limit: number;
}

export interface DeliveryPage extends DeliveryQuery {
  /** So many of the newest are left out. */
  readonly skip?: number;
}

/** What comes and goes is counted in steps of this; the one that an instant falls in counts whole. */
export const STATS_STEP_MS = 5 * 60_000;

export interface EndpointStats {
  readonly endpointId: string;
  readonly pending: number;
  /** When the oldest pending delivery was created. */
  readonly oldestPendingAtMs: number | undefined;
  /** Since the instant that was asked for; one that was retried and delivered again counts again. */
  readonly delivered: number;
  readonly exhausted: number;
  /** Attempts since then, and those of them that failed. */
  readonly attempts: number;
  readonly failedAttempts: number;
}

export interface WebhookStore {
  /** Its workspace's published position begins at the feed's newest if it is the first. @throws DuplicateError for a taken id */
  createEndpoint(row: EndpointRow): Promise<void>;
  endpoint(scope: Scope, id: string): Promise<StoredEndpoint | undefined>;
  /** In order of creation. A connection's scope sees its own endpoints only. */
  endpoints(scope: Scope): Promise<readonly StoredEndpoint[]>;
  /**
   * In one transaction: looks, decides, writes. Undefined from `decide`: no change. Health begins a new round where `resetsHealth`.
   * Resolves with what it is then; undefined when there is none.
   */
  changeEndpoint(
    workspaceId: string,
    id: string,
    decide: (row: EndpointRow) => EndpointRow | undefined,
    resetsHealth?: boolean,
  ): Promise<StoredEndpoint | undefined>;
  /** Its pending deliveries are discarded; what was delivered stays in the log until it is pruned. False: there is none. */
  deleteEndpoint(workspaceId: string, id: string, atMs: number): Promise<boolean>;

  /** With something to publish; at most `limit`, those furthest behind first. */
  feedsToPublish(limit: number): Promise<readonly FeedToPublish[]>;
  /**
   * Messages, deliveries and the position, in one transaction. False and nothing written when the position is not `from` any more.
   * A message that is there gains the form it lacks. An endpoint has one delivery of an event, but for tests: another one is passed over.
   */
  publish(publication: Publication): Promise<boolean>;
  messages(scope: Scope, eventIds: readonly string[]): Promise<readonly MessageRow[]>;

  /**
   * Endpoints that have something due, are neither parked nor disabled, and nobody holds: held by the caller from then on until
   * `release`, or until `leaseMs` have passed. Those that wait longest first.
   */
  lease(nowMs: number, leaseMs: number, limit: number): Promise<readonly StoredEndpoint[]>;
  /** Holds on to it; false: the lease was lost. */
  renew(endpointId: string, nowMs: number, leaseMs: number): Promise<boolean>;
  release(endpointIds: readonly string[]): Promise<void>;
  /**
   * Due deliveries of leased endpoints, for each what is asked: those due longest first, then in the order of the feed. Where the endpoint's `ordering` is
   * `record`, of each record only its oldest pending delivery is ever due. Those of `except` are left out (they are under way).
   */
  due(asked: readonly DueQuery[], nowMs: number): Promise<readonly (readonly DeliveryRow[])[]>;
  /**
   * A delivery that is not pending any more (discarded while its attempt was under way) keeps its state, unless it was delivered
   * after all; the attempt is logged. Of a delivery that is gone nothing is written.
   */
  settle(settling: Settling): Promise<void>;

  delivery(scope: Scope, id: string): Promise<DeliveryRow | undefined>;
  /** Newest first. */
  deliveries(scope: Scope, query: DeliveryPage): Promise<readonly DeliveryRow[]>;
  /** How many there are; `query.limit` are counted at the most. */
  countDeliveries(scope: Scope, query: DeliveryQuery): Promise<number>;
  /** Oldest first. */
  attempts(scope: Scope, deliveryId: string): Promise<readonly AttemptRow[]>;
  /**
   * Makes them due at once in a new round, whatever their state; those whose payload was erased and those of disabled endpoints are
   * left. At most `query.limit`, oldest first; returns how many, and whether there are more.
   */
  retry(
    scope: Scope,
    query: DeliveryQuery,
    trigger: AttemptTrigger,
    nowMs: number,
  ): Promise<{ readonly count: number; readonly hasMore: boolean }>;
  /** Takes pending ones back. */
  discard(scope: Scope, query: DeliveryQuery, nowMs: number): Promise<number>;
  stats(scope: Scope, sinceMs: number): Promise<readonly EndpointStats[]>;
  /** Payloads and answers' bodies of a connection, a record or one event: gone at once. Returns of how many messages. */
  erase(
    scope: Scope,
    of: { readonly connectionId?: string; readonly recordId?: string; readonly eventId?: string },
  ): Promise<number>;
  /** Payloads and answers older than `payloadsMs`, finished deliveries and attempts older than `deliveriesMs`; bounded; whether more is left. */
  prune(before: { readonly payloadsMs: number; readonly deliveriesMs: number }): Promise<boolean>;
}
