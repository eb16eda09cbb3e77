// Tables: typed columns, rows with their versions, indexes. Writing goes through table-writer.ts.
import { categoryOf, comparableOf, type TextRule } from "./comparison.ts";
import { type Row, type RowRecord, type RowVersion, type View, visibleVersion } from "./rows.ts";
import type { DbType, DbValue } from "./session.ts";
import { type IndexDefinition, type Key, type KeyBound, SortedIndex } from "./sorted-index.ts";

export interface Column {
  readonly name: string;
  readonly type: DbType;
  readonly isNullable: boolean;
  readonly isIdentity: boolean;
  /** Made when no value is given. */
  readonly defaultValue: (() => DbValue) | undefined;
  readonly defaultText: string | undefined;
}

/** An index as a reader walks it; `versionAt` gives undefined for entries that the view does not see. */
export interface ReadableIndex {
  readonly definition: IndexDefinition;
  readonly places: readonly number[];
  range(low: KeyBound | undefined, high: KeyBound | undefined): readonly [number, number];
  versionAt(at: number, view: View): RowVersion | undefined;
  recordAt(at: number): RowRecord | undefined;
}

export interface TableIdentity {
  readonly schema: string;
  readonly name: string;
  readonly objectId: number;
}

export interface TableRules {
  readonly defaultCollation: string | undefined;
  readonly nullsLast: boolean;
}

const ROWS_PER_BLOCK = 8;

export class Table {
  readonly schema: string;
  readonly objectId: number;
  name: string;
  columns: readonly Column[];
  indexes: SortedIndex[] = [];
  readonly rows = new Map<number, RowRecord>();
  nextIdentity = 1n;
  /** Oracle: keeps the commit of every row, not only of its block. */
  rowDependencies = false;
  createdAtMs = 0;
  /** The last commit before its columns were as they are: further back nobody can look. */
  definedAt = 0;
  /** Grows when columns change. */
  generation = 0;
  protected readonly rules: TableRules;
  #nextRowId = 1;
  #block = { commit: 0 };

  constructor(identity: TableIdentity, columns: readonly Column[], rules: TableRules) {
    this.schema = identity.schema;
    this.name = identity.name;
    this.objectId = identity.objectId;
    this.columns = columns;
    this.rules = rules;
  }

  get label(): string {
    return `${this.schema}.${this.name}`;
  }

  get primaryKey(): SortedIndex | undefined {
    return this.indexes.find((index) => index.definition.isPrimary);
  }

  get readableIndexes(): readonly ReadableIndex[] {
    return this.indexes.map((index, number) => ({
      definition: index.definition,
      places: index.places,
      range: (low, high) => index.range(low, high),
      versionAt: (at, view) => {
        const entry = index.entry(at);
        const version = visibleVersion(entry.row, view);
        return version?.keys[number] === entry.key ? version : undefined;
      },
      recordAt: (at) => index.entry(at).row,
    }));
  }

  get rowEstimate(): number {
    return this.rows.size;
  }

  /** Every row that may have a version to see, in the order of insertion. */
  records(): Iterable<RowRecord> {
    return this.rows.values();
  }

  place(name: string): number {
    const exact = this.columns.findIndex((column) => column.name === name);
    if (exact >= 0) return exact;
    return this.columns.findIndex((column) => column.name.toLowerCase() === name.toLowerCase());
  }

  textRule(place: number): TextRule {
    return textRuleOf(this.columns[place]!.type, this.rules.defaultCollation);
  }

  keyOf(index: SortedIndex, values: Row): Key {
    return this.keyAt(index.places, values);
  }

  keyAt(places: readonly number[], values: Row): Key {
    return places.map((place) =>
      comparableOf(values[place]!, categoryOf(this.columns[place]!.type), this.textRule(place)),
    );
  }

  addIndex(definition: IndexDefinition): void {
    const primary = this.primaryKey?.places ?? [];
    const own = definition.columns.map((name) => this.place(name));
    const places = [...own, ...primary.filter((place) => !own.includes(place))];
    const index = new SortedIndex(definition, places, this.rules.nullsLast);
    this.indexes.push(index);
    for (const row of this.rows.values()) this.#indexRow(row, index);
  }

  newRow(): RowRecord {
    const id = this.#nextRowId;
    this.#nextRowId += 1;
    if (this.rowDependencies || id % ROWS_PER_BLOCK === 1) this.#block = { commit: 0 };
    const row: RowRecord = { id, versions: [], lockedBy: undefined, block: this.#block };
    this.rows.set(id, row);
    return row;
  }

  /** Keys of a new version; equal ones of the row's other versions are shared, new ones enter the indexes. */
  enterIndexes(row: RowRecord, values: Row): readonly Key[] {
    return this.indexes.map((index, number) => {
      const key = this.keyOf(index, values);
      for (const version of row.versions) {
        const known = version.keys[number];
        if (known !== undefined && sameKey(known, key)) return known;
      }
      index.add(key, row);
      return key;
    });
  }

  /** Takes entries out that no version of the row has any more. */
  leaveIndexes(row: RowRecord, gone: RowVersion): void {
    for (const [number, key] of gone.keys.entries()) {
      if (!row.versions.some((version) => version.keys[number] === key))
        this.indexes[number]?.remove(key, row);
    }
  }

  /** New columns; every kept version is rewritten and every index built anew. */
  reshape(columns: readonly Column[], rewrite: (values: Row) => Row): void {
    const definitions = this.indexes.map((index) => index.definition);
    this.columns = columns;
    this.generation += 1;
    for (const row of this.rows.values()) {
      row.versions = row.versions.map((version) => {
        const values = version.values === undefined ? undefined : rewrite(version.values);
        return Object.assign({}, version, { values, keys: [] });
      });
    }
    this.indexes = [];
    for (const definition of definitions) {
      if (definition.columns.every((name) => this.place(name) >= 0)) this.addIndex(definition);
    }
  }

  /** Its committed rows as of a commit; the function puts them and the columns back. */
  save(commit: number): () => void {
    const { columns, name, nextIdentity, definedAt } = this;
    const definitions = this.indexes.map((index) => index.definition);
    const view: View = { commit, transaction: undefined, mode: "snapshot" };
    const kept = [...this.rows.values()].flatMap((row) => visibleVersion(row, view) ?? []);
    return () => {
      this.clear();
      Object.assign(this, { columns, name, nextIdentity, definedAt, indexes: [] });
      for (const definition of definitions) this.addIndex(definition);
      for (const { values, writer, sequence, commit: at } of kept) {
        const row = this.newRow();
        row.block.commit = Math.max(row.block.commit, at ?? 0);
        row.versions.push({ values, keys: this.enterIndexes(row, values!), commit: at, writer, sequence });
      }
    };
  }

  /** As TRUNCATE: no versions are kept. */
  clear(): void {
    this.rows.clear();
    for (const index of this.indexes) index.clear();
  }

  #indexRow(row: RowRecord, index: SortedIndex): void {
    const number = this.indexes.indexOf(index);
    const known: Key[] = [];
    for (const version of row.versions) {
      if (version.values === undefined) continue;
      const made = this.keyOf(index, version.values);
      let key = known.find((other) => sameKey(other, made));
      if (key === undefined) {
        key = made;
        known.push(made);
        index.add(made, row);
      }
      const keys = [...version.keys];
      keys[number] = key;
      version.keys = keys;
    }
  }
}

function sameKey(left: Key, right: Key): boolean {
  return left.every((value, at) => {
    const other = right[at]!;
    if (value === other) return true;
    if (value === null || other === null || typeof value !== "object" || typeof other !== "object")
      return false;
    return value.units === other.units && value.scale === other.scale;
  });
}

export function textRuleOf(type: DbType, defaultCollation: string | undefined): TextRule {
  if (defaultCollation === undefined) {
    return { kind: "binary", isPadded: type.kind === "char" || type.kind === "nchar" };
  }
  const collation = "collation" in type ? type.collation : undefined;
  return { kind: "collation", name: collation ?? defaultCollation };
}
