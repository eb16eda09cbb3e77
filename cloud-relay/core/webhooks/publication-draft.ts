// From events of the feed to what is stored for delivery: messages in the forms that are wanted, and a delivery per endpoint.
import { fieldChanges } from "../records/field-changes.ts";
import { recordText } from "../records/record-text.ts";
import { newId } from "../identifiers.ts";
import type { Reader, Revision, Scope, StoredEvent } from "../store.ts";
import type { Entropy } from "../tokens.ts";
import type { CompiledConditions } from "./compiled-conditions.ts";
import type { AttemptTrigger, MessageRow } from "./delivery.ts";
import type { EndpointRow } from "./endpoint.ts";
import { factsOf, isForAll, isWanted, type EventFacts } from "./event-match.ts";
import { newTrace, traceOfEvent } from "./trace-parent.ts";
import { boundedPayload, fullPayload, thinPayload, type PayloadParts } from "./payload.ts";
import type { NewDelivery } from "./webhook-store.ts";

/** Records that are held in memory at a time; each is at most as large as the wire lets it be. */
const SLICE_EVENTS = 50;
/** Versions back from the newest among which an event's own is looked for: few, and more where the record has moved on. */
const VERSIONS_LOOKED_AT = [2, 12] as const;
/** One publication ends behind the event that reaches one of these. */
const MAX_DELIVERIES = 5_000;
const MAX_MESSAGE_CHARS = 8 * 1024 * 1024;

export interface DraftDeps {
  readonly reader: Pick<Reader, "recordsByIds" | "versions">;
  readonly conditions: CompiledConditions;
  readonly randomBytes: Entropy["randomBytes"];
}

export interface DraftRequest {
  readonly scope: Scope;
  /** In the order of the feed. */
  readonly events: readonly StoredEvent[];
  readonly endpoints: readonly EndpointRow[];
  readonly trigger: AttemptTrigger;
  readonly nowMs: number;
}

export interface Draft {
  readonly messages: readonly MessageRow[];
  readonly deliveries: readonly NewDelivery[];
  /** Set where it ended early: events behind this position were not looked at. */
  readonly endedAt: Revision | undefined;
}

interface Interest {
  readonly facts: EventFacts;
  readonly endpoints: readonly EndpointRow[];
}

export async function draftPublication(deps: DraftDeps, request: DraftRequest): Promise<Draft> {
  const messages: MessageRow[] = [];
  const deliveries: NewDelivery[] = [];
  let chars = 0;
  for (const slice of slicesOf(interests(request))) {
    const parts = await partsOf(deps, request.scope, slice);
    for (const { facts, endpoints } of slice) {
      const { event } = facts;
      const written = write(deps, { facts, endpoints }, parts.get(event.id) ?? bare(facts));
      if (written === undefined) continue;
      messages.push(written.message);
      chars += (written.message.full?.length ?? 0) + (written.message.thin?.length ?? 0);
      for (const endpoint of written.endpoints) deliveries.push(newDelivery(deps, request, endpoint, event));
      const isFull = deliveries.length >= MAX_DELIVERIES || chars >= MAX_MESSAGE_CHARS;
      if (isFull) return { messages, deliveries, endedAt: event.position };
    }
  }
  return { messages, deliveries, endedAt: undefined };
}

function interests({ events, endpoints }: DraftRequest): Interest[] {
  const found: Interest[] = [];
  for (const event of events) {
    const facts = factsOf(event);
    const wanting = endpoints.filter((endpoint) => isWanted(endpoint, facts));
    if (wanting.length > 0) found.push({ facts, endpoints: wanting });
  }
  return found;
}

function* slicesOf(all: readonly Interest[]): Generator<readonly Interest[]> {
  for (let at = 0; at < all.length; at += SLICE_EVENTS) yield all.slice(at, at + SLICE_EVENTS);
}

/** By event id. */
async function partsOf(
  { reader }: DraftDeps,
  scope: Scope,
  slice: readonly Interest[],
): Promise<ReadonlyMap<string, PayloadParts>> {
  const needed = slice.filter(({ endpoints }) => endpoints.some(needsRecord));
  const ids = new Set(needed.map(({ facts }) => facts.event.recordId).filter((id) => id !== undefined));
  const records = new Map<string, string>();
  if (ids.size > 0) {
    for (const record of await reader.recordsByIds(scope, [...ids]))
      records.set(record.id, recordText(record));
  }
  const parts = new Map<string, PayloadParts>();
  for (const { facts } of slice) {
    const { id, recordId } = facts.event;
    const changedFields = await changedFieldsOf(reader, scope, facts.event);
    parts.set(id, { facts, record: records.get(recordId ?? ""), changedFields });
  }
  return parts;
}

function needsRecord({ payload, condition }: EndpointRow): boolean {
  return payload === "full" || condition !== undefined;
}

/** Undefined for what is new, where history is not kept, and where more changed than is listed. */
async function changedFieldsOf(
  reader: DraftDeps["reader"],
  scope: Scope,
  { type, entity, recordId, position }: StoredEvent,
): Promise<readonly string[] | undefined> {
  if (entity === undefined || recordId === undefined || !type.endsWith(".updated")) return undefined;
  for (const limit of VERSIONS_LOOKED_AT) {
    const versions =
      (await reader.versions(scope, entity, recordId, { before: undefined, limit }))?.versions ?? [];
    // Of two events in one transaction the record shows the last only: the other's state was never there.
    const at = versions.findIndex(({ revision }) => revision <= position);
    const [now, before] = at < 0 ? [] : versions.slice(at, at + 2);
    if (now !== undefined && now.revision !== position) return undefined;
    if (now !== undefined && before !== undefined) {
      const { changes, isCut } = fieldChanges(before.text, now.text);
      return isCut ? undefined : changes.map(({ field }) => field);
    }
    if (versions.length < limit) return undefined;
  }
  return undefined;
}

function write(
  { conditions, randomBytes }: DraftDeps,
  { facts, endpoints }: Interest,
  parts: PayloadParts,
): { readonly message: MessageRow; readonly endpoints: readonly EndpointRow[] } | undefined {
  const full = endpoints.some(needsRecord) ? fullPayload(parts) : "";
  const wanting = isForAll(facts.event) ? endpoints : conditions.passing(endpoints, full);
  if (wanting.length === 0) return undefined;
  const { id, workspaceId, connectionId, position, type, recordId, atMs } = facts.event;
  const wants = (form: EndpointRow["payload"]): boolean => wanting.some(({ payload }) => payload === form);
  return {
    endpoints: wanting,
    message: {
      eventId: id,
      workspaceId,
      connectionId,
      position,
      type,
      recordId,
      atMs,
      full: wants("full") ? boundedPayload(parts, full) : undefined,
      thin: wants("thin") ? thinPayload(parts) : undefined,
      traceparent: traceOfEvent(facts) ?? newTrace(randomBytes),
    },
  };
}

function newDelivery(
  { randomBytes }: DraftDeps,
  { trigger, nowMs }: DraftRequest,
  { id: endpointId }: EndpointRow,
  { id: eventId }: StoredEvent,
): NewDelivery {
  return { id: newId("whd", nowMs, randomBytes), endpointId, eventId, trigger, dueAtMs: nowMs };
}

function bare(facts: EventFacts): PayloadParts {
  return { facts, record: undefined, changedFields: undefined };
}
