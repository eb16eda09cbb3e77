// Sending on request: a test with a sample of real shape, one delivery at once, and all that an endpoint missed since a time.
import type { Clock } from "#common/runtime/clock.ts";
import { isEntity, type Entity } from "#common/contract/model/entities.ts";
import { invalidRequest } from "../administration.ts";
import { subjects, type Bus } from "../bus.ts";
import { newId } from "../identifiers.ts";
import { Problem } from "../problem.ts";
import { recordText } from "../records/record-text.ts";
import type { Reader, Revision, Scope, StoredEvent } from "../store.ts";
import type { Deliverer } from "./deliverer.ts";
import type { AttemptRow, MessageRow } from "./delivery.ts";
import type { EndpointRow } from "./endpoint.ts";
import { factsOf } from "./event-match.ts";
import { entityOfType, eventTypeOf } from "./event-types.ts";
import { boundedPayload, fullPayload, thinPayload, type PayloadParts } from "./payload.ts";
import { draftPublication, type DraftDeps } from "./publication-draft.ts";
import { newTrace } from "./trace-parent.ts";
import type { WebhookStore } from "./webhook-store.ts";

export interface ReplayDeps extends Omit<DraftDeps, "reader"> {
  readonly store: { readonly reader: Reader; readonly webhooks: WebhookStore };
  readonly deliverer: Pick<Deliverer, "sendNow">;
  readonly bus: Bus;
  readonly clock: Clock;
  /** A record as GET answers it, for workspaces that have none of the entity yet: JSON text. */
  readonly exampleRecord: (entity: Entity) => string;
}

export interface SentNow {
  readonly deliveryId: string;
  /** Undefined: it goes its usual way, because somebody is at it already. */
  readonly attempt: AttemptRow | undefined;
}

export interface Recovery {
  /** Events of that time which the endpoint wants; what it was delivered already is not sent again. */
  readonly matched: number;
  /** Deliveries that were given up or taken back, and are tried again. */
  readonly retried: number;
  /** There is more: ask again from here, ms since the epoch. Undefined: all of it is on its way. */
  readonly resumeAtMs: number | undefined;
  /** Events of that time up to and with this instant are not kept any more; undefined: all of it is there. */
  readonly missingUntilMs: number | undefined;
}

const PAGE_EVENTS = 500;
/** Events looked at, and deliveries retried, by one request. */
const MAX_PAGES = 100;
const RETRY_PAGE = 1_000;
/** If the relay ends in the middle of a test, it is sent after this. */
const TEST_DUE_AFTER_MS = 60_000;

/** @throws Problem NOT_FOUND, INVALID_REQUEST for a type that there is not */
export async function sendTest(deps: ReplayDeps, scope: Scope, id: string, type: string): Promise<SentNow> {
  const { store, clock, randomBytes, deliverer } = deps;
  const { row } = await endpointOf(deps, scope, id);
  const info = eventTypeOf(type);
  if (info === undefined) {
    throw invalidRequest("There is nothing to send", [
      { pointer: "#/type", detail: "is no event type; GET /v1/webhook-event-types lists them" },
    ]);
  }
  const atMs = clock.nowMs();
  const parts = await sampleOf(deps, row, type, info.example);
  const { event } = parts.facts;
  const message: MessageRow = {
    eventId: event.id,
    workspaceId: row.workspaceId,
    connectionId: event.connectionId,
    position: event.position,
    type,
    recordId: event.recordId,
    atMs,
    full: row.payload === "full" ? boundedPayload(parts, fullPayload(parts)) : undefined,
    thin: row.payload === "thin" ? thinPayload(parts) : undefined,
    traceparent: newTrace(randomBytes),
  };
  const deliveryId = newId("whd", atMs, randomBytes);
  await store.webhooks.publish({
    workspaceId: row.workspaceId,
    messages: [message],
    deliveries: [
      {
        id: deliveryId,
        endpointId: row.id,
        eventId: event.id,
        trigger: "test",
        dueAtMs: atMs + TEST_DUE_AFTER_MS,
      },
    ],
    atMs,
  });
  return { deliveryId, attempt: await deliverer.sendNow(scope, deliveryId) };
}

/** Sends a delivery again, whatever became of it, in a new round of retries. @throws Problem NOT_FOUND, CONFLICT */
export async function retryNow(deps: ReplayDeps, scope: Scope, deliveryId: string): Promise<SentNow> {
  const { store, clock, deliverer, bus } = deps;
  const delivery = await store.webhooks.delivery(scope, deliveryId);
  if (delivery === undefined) throw new Problem("NOT_FOUND", `There is no delivery ${deliveryId} here.`);
  const { endpointId, eventId } = delivery;
  const { row } = await endpointOf(deps, scope, endpointId);
  if (row.disabled !== undefined) throw disabledProblem(row);
  const query = { endpointId, eventId, limit: RETRY_PAGE };
  const { count } = await store.webhooks.retry(scope, query, "manual", clock.nowMs());
  if (count === 0) {
    throw new Problem("CONFLICT", "Its payload is not kept any more; it cannot be sent again.");
  }
  const attempt = await deliverer.sendNow(scope, deliveryId);
  bus.publish(subjects.webhooksDue, 1);
  return { deliveryId, attempt };
}

/**
 * Everything since a time that the endpoint wants and never got: events that made no delivery for it (it was not there, it was
 * disabled, its subscription was narrower), and deliveries that were given up. Bounded: `resumeAtMs` says where to go on.
 * @throws Problem NOT_FOUND, CONFLICT for a disabled endpoint
 */
export async function recover(
  deps: ReplayDeps,
  scope: Scope,
  id: string,
  span: { readonly sinceMs: number; readonly untilMs?: number | undefined },
): Promise<Recovery> {
  const { store, bus, clock } = deps;
  const { row } = await endpointOf(deps, scope, id);
  if (row.disabled !== undefined) throw disabledProblem(row);
  const { workspaceId } = row;
  const own: Scope = { workspaceId };
  const after = Math.floor(span.sinceMs * 1_000) - 1;
  const { oldest, newest } = await store.reader.feedBounds(workspaceId);
  const until = span.untilMs === undefined ? newest : Math.min(newest, span.untilMs * 1_000 - 1);
  const endpoint: EndpointRow = { ...row, fromPosition: after };
  let matched = 0;
  let at: Revision = after;
  for (let page = 0; page < MAX_PAGES && at < until; page += 1) {
    const found = await store.reader.listEvents(own, at, PAGE_EVENTS);
    const events = found.filter(({ position }) => position <= until);
    const nowMs = clock.nowMs();
    const request = { scope: own, events, endpoints: [endpoint], trigger: "recover", nowMs } as const;
    const draft = await draftPublication({ ...deps, reader: store.reader }, request);
    const { messages, deliveries } = draft;
    if (deliveries.length > 0)
      await store.webhooks.publish({ workspaceId, messages, deliveries, atMs: nowMs });
    matched += deliveries.length;
    const isLast = found.length < PAGE_EVENTS || events.length < found.length;
    at = draft.endedAt ?? (isLast ? until : (events.at(-1)?.position ?? until));
  }
  const isDone = at >= until;
  const untilMs = isDone ? span.untilMs : at / 1_000;
  const retried = await retryGivenUp(deps, row, span.sinceMs, untilMs);
  bus.publish(subjects.webhooksDue, 1);
  return {
    matched,
    retried,
    resumeAtMs: isDone ? undefined : Math.floor(at / 1_000),
    missingUntilMs: after < oldest - 1 ? (oldest - 1) / 1_000 : undefined,
  };
}

async function retryGivenUp(
  { store, clock }: ReplayDeps,
  { id: endpointId, workspaceId }: EndpointRow,
  afterMs: number,
  beforeMs: number | undefined,
): Promise<number> {
  let retried = 0;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const { count, hasMore } = await store.webhooks.retry(
      { workspaceId },
      {
        endpointId,
        states: ["exhausted", "discarded"],
        afterMs,
        ...(beforeMs === undefined ? {} : { beforeMs }),
        limit: RETRY_PAGE,
      },
      "recover",
      clock.nowMs(),
    );
    retried += count;
    if (!hasMore || count === 0) break;
  }
  return retried;
}

/** An event that has not happened, made of a real record of the endpoint's connection where there is one. */
async function sampleOf(
  { store, clock, randomBytes, exampleRecord }: ReplayDeps,
  row: EndpointRow,
  type: string,
  example: Readonly<Record<string, unknown>>,
): Promise<PayloadParts> {
  const { workspaceId } = row;
  const { newest } = await store.reader.feedBounds(workspaceId);
  const entity = entityOfType(type);
  const scope =
    row.connectionId === undefined ? { workspaceId } : { workspaceId, connectionIds: [row.connectionId] };
  const [real] =
    entity === undefined
      ? []
      : await store.reader.listRecords(scope, {
          entity,
          afterRevision: 0,
          beforeRevision: undefined,
          includeDeleted: false,
          includeRaw: false,
          limit: 1,
        });
  const made = entity !== undefined && isEntity(entity) ? exampleRecord(entity) : undefined;
  const record = real === undefined ? made : recordText(real);
  const { id, remote_id } = (record === undefined ? {} : JSON.parse(record)) as Partial<
    Record<string, string>
  >;
  const nowMs = clock.nowMs();
  const event: StoredEvent = {
    position: newest,
    id: `evt_test_${newId("whd", nowMs, randomBytes).slice(4)}`,
    type,
    workspaceId,
    connectionId: real?.connectionId ?? row.connectionId,
    entity,
    recordId: id,
    origin: entity === undefined ? undefined : "change",
    atMs: nowMs,
    data: JSON.stringify({
      ...example,
      ...(remote_id === undefined || type.endsWith(".deleted") ? {} : { remote_id }),
    }),
  };
  return { facts: factsOf(event), record, changedFields: undefined, isTest: true };
}

async function endpointOf(
  { store }: ReplayDeps,
  scope: Scope,
  id: string,
): Promise<{ readonly row: EndpointRow }> {
  const found = await store.webhooks.endpoint(scope, id);
  if (found === undefined) throw new Problem("NOT_FOUND", `There is no webhook endpoint ${id} here.`);
  return found;
}

function disabledProblem({ disabled }: EndpointRow): Problem {
  const why = disabled === undefined ? "" : ` (${disabled.reason})`;
  return new Problem("CONFLICT", `The endpoint is disabled${why}: enable it first.`);
}
