// Records in another shape than they are stored: chosen fields, referenced records in place, the columns they come from.
import type { ConnectionDescription } from "#common/contract/description.ts";
import { Problem } from "#relay/core/problem.ts";
import { expandReferences, referencedIds } from "#relay/core/records/expansion.ts";
import { selectFields, type FieldTree } from "#relay/core/records/field-selection.ts";
import type { Scope, Store, StoredRecord } from "#relay/core/store.ts";
import { recordText } from "#relay/core/records/record-text.ts";

export interface RecordShape {
  /** Undefined: all. */
  readonly fields: FieldTree | undefined;
  /** Paths of references. */
  readonly expand: readonly string[];
  readonly withProvenance: boolean;
  readonly withFreshness: boolean;
}

/** Who asks: what stands in the place of references must be theirs to see. */
export interface Viewer {
  readonly scope: Scope;
  /** Undefined: all. */
  readonly entities: readonly string[] | undefined;
}

/** Referenced records in one answer. */
const MAX_EXPANDED_RECORDS = 1_000;

/** As JSON texts, in order. `extras` are members that stand in front, as for recordText. @throws Problem INVALID_REQUEST for too many references */
export async function shapedRecords(
  store: Store,
  viewer: Viewer,
  records: readonly StoredRecord[],
  shape: RecordShape,
  extraOf: (record: StoredRecord) => string,
): Promise<readonly string[]> {
  const shaped = records.map((record) => {
    const { raw: _raw, ...bare } = record;
    return JSON.parse(recordText({ ...bare, raw: undefined }, extraOf(record))) as Record<string, unknown>;
  });
  if (shape.expand.length > 0) await expand(store, viewer, shaped, shape.expand);
  if (shape.withProvenance) await addProvenance(store, viewer.scope, records, shaped);
  return shaped.map((record, index) => {
    const { fields } = shape;
    const members =
      fields === undefined ? record : (selectFields(record, withAsked(fields, shape)) as object);
    const raw = fields === undefined || fields["raw"] !== undefined ? records[index]?.raw : undefined;
    const text = JSON.stringify(members);
    // The source's own row is never taken apart: its numbers stay as they were written.
    return raw === undefined ? text : `${text.slice(0, -1)},"raw":${raw}}`;
  });
}

/** What was asked for by another parameter is there whatever `fields` says. */
function withAsked(fields: FieldTree, { withProvenance, withFreshness }: RecordShape): FieldTree {
  return {
    ...fields,
    ...(withProvenance ? { provenance: true as const } : {}),
    ...(withFreshness ? { freshness: true as const } : {}),
  };
}

async function expand(
  store: Store,
  { scope, entities }: Viewer,
  shaped: readonly Record<string, unknown>[],
  paths: readonly string[],
): Promise<void> {
  const ids = new Set(shaped.flatMap((record) => referencedIds(record, paths)));
  if (ids.size > MAX_EXPANDED_RECORDS) {
    const detail = `would put ${ids.size} records into one answer; ${MAX_EXPANDED_RECORDS} are possible. Ask for fewer items per page, or expand less`;
    throw new Problem("INVALID_REQUEST", `expand ${detail}.`, {
      errors: [{ pointer: "#/query/expand", detail }],
    });
  }
  const found = await store.reader.recordsByIds(scope, [...ids]);
  const visible = found.filter(({ entity }) => entities?.includes(entity) ?? true);
  const byId = new Map(visible.map((record) => [record.id, record]));
  for (const record of shaped) {
    expandReferences(record, paths, (id) => {
      const referenced = byId.get(id);
      if (referenced === undefined) return undefined;
      return JSON.parse(recordText({ ...referenced, raw: undefined })) as object;
    });
  }
}

async function addProvenance(
  store: Store,
  scope: Scope,
  records: readonly StoredRecord[],
  shaped: readonly Record<string, unknown>[],
): Promise<void> {
  const described = new Map<string, ConnectionDescription | undefined>();
  for (const [index, record] of records.entries()) {
    const { connectionId, entity } = record;
    if (!described.has(connectionId)) {
      const connection = await store.directory.connection(scope, connectionId);
      described.set(connectionId, connection?.description);
    }
    const target = shaped[index];
    if (target !== undefined) target["provenance"] = provenanceOf(described.get(connectionId), entity);
  }
}

/** Null: the plant has not told. */
function provenanceOf(description: ConnectionDescription | undefined, entity: string): object | null {
  const entry = description?.entities.find((candidate) => candidate.entity === entity);
  if (entry === undefined) return null;
  return {
    table: entry.table,
    fields: Object.fromEntries(
      entry.fields.map(({ name, sources, protection }) => [
        name,
        { sources, ...(protection === undefined ? {} : { protection }) },
      ]),
    ),
  };
}
