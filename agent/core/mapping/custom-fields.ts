// Writes custom fields: the columns beyond the model, sorted by name, of a row and of its companion rows.
import type { Columns } from "../source/connector.ts";
import { BadValue } from "./bad-value.ts";
import type { CustomFieldsSpec } from "./field-spec.ts";
import type { RowScope, Writer } from "./field-writer.ts";
import { SortedColumns, customJson, isSameValue, type NamedColumn } from "./source-text.ts";

/** The model's limit for a custom field's name, characters. */
const MAX_NAME_LENGTH = 200;

export interface CustomSource {
  readonly spec: CustomFieldsSpec;
  /** Columns that the mapping uses already. */
  readonly mapped: ReadonlySet<string>;
  readonly isVisible: (column: string) => boolean;
  /** A companion's rows instead of the row itself: those whose columns equal the row's. */
  readonly lookup?: string;
  readonly match?: readonly { readonly other: string; readonly own: string }[];
}

export function customWriter(sources: readonly CustomSource[]): Writer {
  const [first] = sources;
  if (sources.length === 1 && first !== undefined && first.lookup === undefined) return ownWriter(first);
  const read = sources.map((source) => ({ columns: wantedColumns(source), rowsOf: rowsOf(source) }));
  return (row, scope) => {
    const members = new Map<string, string>();
    for (const { columns, rowsOf: rows } of read)
      for (const one of rows(row, scope))
        for (const column of columns.of(one)) if (!members.has(column.name)) addMember(members, column, one);
    const names = [...members.keys()].sort();
    return `{${names.map((name) => members.get(name)).join(",")}}`;
  };
}

function ownWriter(source: CustomSource): Writer {
  const columns = wantedColumns(source);
  return (row) => {
    let text = "{";
    for (const column of columns.of(row)) {
      const member = memberText(column, row);
      if (member !== undefined) text += (text.length > 1 ? "," : "") + member;
    }
    return `${text}}`;
  };
}

function wantedColumns({ spec, mapped, isVisible }: CustomSource): SortedColumns {
  return new SortedColumns(
    (name) =>
      isVisible(name) &&
      (spec.columns.includes(name) ||
        (!mapped.has(name) && (spec.rest || spec.patterns.some((pattern) => pattern.test(name))))),
  );
}

function rowsOf({ lookup, match = [] }: CustomSource): (row: Columns, scope: RowScope) => readonly Columns[] {
  if (lookup === undefined) return (row) => [row];
  return (row, scope) =>
    (scope.related[lookup] ?? []).filter((other) =>
      match.every((pair) => isSameValue(other[pair.other], row[pair.own])),
    );
}

function addMember(members: Map<string, string>, column: NamedColumn, row: Columns): void {
  const member = memberText(column, row);
  if (member !== undefined) members.set(column.name, member);
}

function memberText({ name, token }: NamedColumn, row: Columns): string | undefined {
  const value = row[name];
  if (value === undefined) return undefined;
  if (name.length > MAX_NAME_LENGTH)
    throw new BadValue(
      "NAME_TOO_LONG",
      `column ${name.slice(0, 50)}… has a name of ${name.length} characters`,
    );
  return token + customJson(value, name);
}
