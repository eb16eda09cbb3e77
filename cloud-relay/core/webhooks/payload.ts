// What is sent of an event, version 1: JSON text in its two forms. Stored texts go out as they are, without being parsed.
import { ENTITIES, isEntity } from "#common/contract/model/entities.ts";
import { instantOf } from "../revisions.ts";
import type { StoredEvent } from "../store.ts";
import { MAX_PAYLOAD_BYTES } from "./delivery.ts";
import type { EventFacts } from "./event-match.ts";

export interface PayloadParts {
  readonly facts: EventFacts;
  /** JSON text, as it is now, which may be later than the event; undefined: none, or it is not there any more. */
  readonly record: string | undefined;
  /** Names of fields that differ from the state before; undefined: not known, or there was none. */
  readonly changedFields: readonly string[] | undefined;
  /** Nothing has happened: somebody tries the endpoint. */
  readonly isTest?: boolean;
}

/** Ids, what the event itself says, and where to read the record. */
export function thinPayload(parts: PayloadParts): string {
  return payload(parts, parts.facts.event.data, "");
}

/** With the record, in `data.record`, as GET answers it. */
export function fullPayload(parts: PayloadParts): string {
  const { facts, record } = parts;
  if (record === undefined) return thinPayload(parts);
  return payload(parts, withMember(facts.event.data, `"record":${record}`), "");
}

/** The full form where it may be sent: a larger one is sent thin, and says so. */
export function boundedPayload(parts: PayloadParts, full: string): string {
  return isTooLarge(full) ? payload(parts, parts.facts.event.data, `,"truncated":true`) : full;
}

function payload({ facts, changedFields, isTest }: PayloadParts, data: string, extra: string): string {
  const { event, data: said } = facts;
  const { recordId } = event;
  const path = recordId === undefined ? undefined : recordPath(event, recordId);
  return (
    `{"id":${JSON.stringify(event.id)},"type":${JSON.stringify(event.type)},"timestamp":"${instantOf(event.atMs)}"` +
    `,"workspace_id":${JSON.stringify(event.workspaceId)},"connection_id":${orNull(event.connectionId)}` +
    `,"entity":${orNull(event.entity)},"record_id":${orNull(recordId)},"revision":${event.position}` +
    `,"origin":${orNull(event.origin)},"cause":${orNull(said["cause"])},"changed_fields":${orNull(changedFields)}` +
    `,"data":${data},"links":{"record":${orNull(path)}}${isTest === true ? `,"test":true` : ""}${extra}}`
  );
}

/** In the public API. */
function recordPath({ entity }: StoredEvent, recordId: string): string | undefined {
  if (entity === undefined) return undefined;
  const list = isEntity(entity) ? ENTITIES[entity].path : `custom/${entity}`;
  return `/v1/${list}/${recordId}`;
}

function withMember(object: string, member: string): string {
  return object.length > 2 ? `${object.slice(0, -1)},${member}}` : `{${member}}`;
}

const encoder = new TextEncoder();
/** UTF-8 bytes of one UTF-16 unit, at most. */
const MAX_BYTES_PER_UNIT = 3;

function isTooLarge(text: string): boolean {
  if (text.length * MAX_BYTES_PER_UNIT <= MAX_PAYLOAD_BYTES) return false;
  return text.length > MAX_PAYLOAD_BYTES || encoder.encode(text).length > MAX_PAYLOAD_BYTES;
}

function orNull(value: unknown): string {
  return JSON.stringify(value ?? null);
}
