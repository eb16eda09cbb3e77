// A record's answer as JSON text: the envelope is written before the stored text, which is never parsed. This is what
// makes a page of records cost little more than sending its bytes.
import { qualityOf } from "#common/contract/samples.ts";
import { instantOf, instantOfMs, revisionInstant } from "../revisions.ts";
import type { StoredRecord, StoredSample } from "../store.ts";

/** Members that the relay adds; the stored text follows with remote_id, remote_key, source and the entity's own fields. */
export function recordText(record: StoredRecord, extra = ""): string {
  const { deletedAtMs, deleteReason, version, raw, text } = record;
  const head =
    `{"id":"${record.id}","connection_id":"${record.connectionId}","revision":${record.revision}` +
    `,"created_at":"${instantOfMs(record.createdAtMs)}","updated_at":"${revisionInstant(record.revision)}"` +
    `,"deleted_at":${deletedAtMs === undefined ? "null" : `"${instantOfMs(deletedAtMs)}"`}` +
    `,"presence":"${record.presence}","delete_reason":${deleteReason === undefined ? "null" : JSON.stringify(deleteReason)}` +
    `,"incarnation":${record.incarnation},"origin":"${record.origin}"` +
    `,"remote_version":${version === undefined ? "null" : JSON.stringify(version)}` +
    `,"content_hash":"${record.hash}","mapping_version":"${record.mappingVersion}"${extra}`;
  const tail = text.length > 2 ? `,${text.slice(1)}` : "}";
  return raw === undefined ? head + tail : `${head},"raw":${raw}${tail}`;
}

/** `,"last_value":{…}`, to be put into a telemetry point's record. */
export function lastValueMember(sample: StoredSample | undefined): string {
  return `,"last_value":${sample === undefined ? "null" : sampleText(sample)}`;
}

export function sampleText(sample: StoredSample): string {
  return (
    `{"value":${JSON.stringify(sample.value) ?? "null"},"quality":"${qualityOf(sample.status)}"` +
    `,"status_code":${sample.status},"source_timestamp":${instantOrNull(sample.sourceMs)}` +
    `,"server_timestamp":${instantOrNull(sample.serverMs)},"backfilled":${sample.backfilled}}`
  );
}

/** `{"data":[…],"next_cursor":…}` from texts that are JSON already; `members` are further ones, each behind a comma. */
export function listText(items: readonly string[], nextCursor: string | null, members = ""): string {
  // Adding up is faster than `join`: nothing is copied until the whole text is sent.
  let data = items[0] ?? "";
  for (let index = 1; index < items.length; index += 1) data += `,${items[index]}`;
  return `{"data":[${data}],"next_cursor":${nextCursor === null ? "null" : `"${nextCursor}"`}${members}}`;
}

function instantOrNull(ms: number | null): string {
  return ms === null ? "null" : `"${instantOf(ms)}"`;
}
