// Columns that nothing set from outside may bring back: hidden or protected ones, and those that feed such fields.
import type { CompiledPack } from "../mapping/mapping.ts";

export interface ProtectedColumns {
  /** Also for the table under another spelling or schema: refusing too much is the safer mistake. */
  has(table: string, column: string): boolean;
  /** The columns of the table that are to be left out when all of it is read; `*`: the whole table. */
  of(table: string): readonly string[];
}

/** @param names as in the plant's file: `TABLE.COLUMN`, `SCHEMA.TABLE.COLUMN`, `TABLE.*`, `entity.field` */
export function protectedColumns(pack: CompiledPack, names: readonly string[]): ProtectedColumns {
  const byTable = new Map<string, Map<string, string>>();
  const add = (table: string, column: string): void => {
    const columns = byTable.get(plain(table)) ?? new Map<string, string>();
    byTable.set(plain(table), columns.set(plain(column), column));
  };
  const fields = new Set(names.map((name) => name.toLowerCase()));
  for (const name of names) {
    const [column, table] = name.split(".").toReversed();
    if (table !== undefined && column !== undefined) add(table, column);
  }
  for (const entity of pack.entities)
    for (const { name, sources } of entity.describe?.([]) ?? []) {
      const path = `${entity.plan.entity}.${name}`.toLowerCase();
      if (![...fields].some((field) => path === field || path.startsWith(`${field}.`))) continue;
      for (const source of sources) {
        const dot = source.lastIndexOf(".");
        add(source.slice(0, dot), source.slice(dot + 1));
      }
    }
  const columnsOf = (table: string): readonly Map<string, string>[] =>
    spellings(table).flatMap((name) => byTable.get(name) ?? []);
  return {
    has: (table, column) =>
      columnsOf(table).some((columns) => columns.has("*") || columns.has(plain(column))),
    of: (table) => columnsOf(table).flatMap((columns) => columns.values().toArray()),
  };
}

/** Without its schema; and of `Company$Vendor$app`, each part, since packs name the part alone. */
function spellings(table: string): readonly string[] {
  const name = table.slice(table.lastIndexOf(".") + 1);
  return [...new Set([name, table, ...name.split("$")].map(plain))];
}

/** As the most forgiving source compares names: case, accents, width and blanks do not count. */
function plain(name: string): string {
  return name
    .normalize("NFKD")
    .replaceAll(/[\p{M}\s]/gu, "")
    .toLowerCase();
}
