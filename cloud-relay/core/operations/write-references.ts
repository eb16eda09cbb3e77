// References in values: the id of a record of the same connection becomes the source's own key.
import type { WritableField, WriteDescription } from "#common/contract/description.ts";
import type { ProblemIssue } from "../problem.ts";
import type { Reader, Scope, StoredRecord } from "../store.ts";
import { isReference } from "./value-check.ts";
import { isObject, type Values } from "./write-check.ts";

export interface ResolvedValues {
  readonly values: Values;
  readonly issues: readonly ProblemIssue[];
}

/** `scope` is narrowed to the connection that is written. Values that `writeIssues` complains of pass as they are. */
export async function resolveReferences(
  reader: Pick<Reader, "recordsByIds">,
  scope: Scope,
  { fields, children = [] }: WriteDescription,
  values: Values,
  root = "#",
): Promise<ResolvedValues> {
  const ids = new Set<string>();
  const noted = (id: string): undefined => void ids.add(id);
  const walk = (look: Look): Values => {
    const own = withReferences(fields, values, root, look);
    const rows = children.flatMap(({ name, fields: rowFields }) => {
      const list = values[name];
      if (!Array.isArray(list)) return [];
      const written = list.map((row: unknown, at) =>
        isObject(row) ? withReferences(rowFields, row, `${root}/${name}/${at}`, look) : row,
      );
      return [[name, written] as const];
    });
    return { ...own, ...Object.fromEntries(rows) };
  };
  walk(noted);
  if (ids.size === 0) return { values, issues: [] };
  const found = new Map((await reader.recordsByIds(scope, [...ids])).map((record) => [record.id, record]));
  const issues: ProblemIssue[] = [];
  const resolved = walk((id, pointer, isSaidOtherwise) => {
    const record = found.get(id);
    if (record !== undefined && record.deletedAtMs === undefined) return keyOf(record);
    if (isSaidOtherwise) return undefined;
    const why = record === undefined ? "is not known to this connection" : "is gone from its source";
    issues.push({ pointer: `${pointer}/id`, detail: `the record ${id} ${why}` });
    return undefined;
  });
  return { values: resolved, issues };
}

/** Gives the key of the record with the id, column by column. Where the value says it otherwise too, it need not be known. */
type Look = (id: string, pointer: string, isSaidOtherwise: boolean) => readonly unknown[] | undefined;

function withReferences(fields: readonly WritableField[], values: Values, root: string, look: Look): Values {
  const changed: Record<string, unknown> = { ...values };
  for (const { name, type } of fields) {
    const value = values[name];
    if (type !== "reference" || !isReference(value)) continue;
    const { id, remote_id: remoteId, remote_key: remoteKey } = value;
    if (remoteKey !== undefined) changed[name] = { remote_key: keyValues(remoteKey) };
    else {
      // The id leads to the whole key; the name for people may be only a part of it.
      const key = typeof id === "string" ? look(id, `${root}/${name}`, remoteId !== undefined) : undefined;
      if (key !== undefined) changed[name] = { remote_key: key };
      else if (remoteId !== undefined) changed[name] = { remote_id: remoteId };
    }
  }
  return changed;
}

/** In the order of the columns, as in the record's own text. */
function keyOf({ text }: StoredRecord): readonly unknown[] {
  const { remote_key: key } = JSON.parse(text) as { readonly remote_key?: unknown };
  return keyValues(key);
}

function keyValues(key: unknown): readonly unknown[] {
  if (Array.isArray(key)) return key;
  return typeof key === "object" && key !== null ? Object.values(key) : [];
}
