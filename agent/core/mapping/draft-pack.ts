// Drafts a pack for a product that nobody has described: entities by the names of tables and columns, each guess with its score.
import type { Entity } from "#common/contract/model/entities.ts";
import {
  CHANGED,
  COUNTERS,
  CREATED,
  FIELD_NAMES,
  LINE_WORDS,
  MIN_TABLE_SCORE,
  PART_OF_NAME,
  plainName,
  STALE_WORDS,
  TABLE_NAMES,
  wordsOf,
} from "./draft-names.ts";
import { unifiedFields, type FieldKind, type UnifiedFields } from "./unified-fields.ts";

export interface SourceColumn {
  readonly name: string;
  /** As the source calls it. */
  readonly type: string;
  /** Of the primary key, where the source says so. */
  readonly isKey: boolean;
}

export interface SourceTable {
  readonly schema: string | undefined;
  readonly name: string;
  readonly columns: readonly SourceColumn[];
}

export interface DraftField {
  readonly field: string;
  readonly column: string;
  readonly kind: FieldKind["kind"];
  /** Of references: the entity meant. */
  readonly target?: string;
  /** Of enumerations: the values that the model knows. */
  readonly values?: readonly string[];
  readonly score: number;
  /** What somebody should look at. */
  readonly note?: string;
}

export interface DraftEntity {
  readonly entity: Entity;
  readonly table: SourceTable;
  readonly score: number;
  readonly key: readonly string[];
  readonly isKeyGuessed: boolean;
  readonly changes: { readonly by: "counter" | "timestamp"; readonly column: string } | undefined;
  readonly createdAt: string | undefined;
  readonly fields: readonly DraftField[];
  readonly lines: DraftLines | undefined;
}

export interface DraftLines {
  readonly table: SourceTable;
  readonly on: readonly string[];
  readonly order: string | undefined;
  readonly fields: readonly DraftField[];
}

type Shape = "number" | "float" | "date" | "boolean" | "text" | "other";

/** Fields that refer to records of another entity, by their name in the model. */
const REFERENCES: Readonly<Record<string, Entity>> = {
  vendor: "vendor",
  asset: "asset",
  location: "location",
  item: "inventory_item",
  work_order: "work_order",
  purchase_order: "purchase_order",
};
const SAME_NAME = 1;
const OTHER_NAME = 0.8;

/** Best first; each table serves one entity, each entity has one table. None: nothing is called as it would have to be. */
export function draftEntities(tables: readonly SourceTable[]): readonly DraftEntity[] {
  const guesses = tables
    .flatMap((table) => guessesOf(table))
    .toSorted((one, other) => other.score - one.score);
  const taken = new Map<Entity, { readonly table: SourceTable; readonly score: number }>();
  const used = new Set<SourceTable>();
  for (const { entity, table, score } of guesses) {
    if (taken.has(entity) || used.has(table)) continue;
    taken.set(entity, { table, score });
    used.add(table);
  }
  const keys = new Map([...taken].map(([entity, { table }]) => [entity, keyOf(entity, table)]));
  return [...taken].map(([entity, { table, score }]) => draftOf(entity, table, score, keys, tables, used));
}

function guessesOf(table: SourceTable): readonly { entity: Entity; table: SourceTable; score: number }[] {
  const words = wordsOf(table.name);
  if (words.some((word) => STALE_WORDS.test(word))) return [];
  const whole = words.join("");
  const isLine = words.length > 1 && LINE_WORDS.test(words.at(-1) ?? "");
  return Object.entries(TABLE_NAMES).flatMap(([name, names]) => {
    const entity = name as Entity;
    const best = Math.max(
      0,
      ...Object.entries(names).map(([known, score]) => score * fit(known, whole, words)),
    );
    if (best === 0 || (isLine && names[whole] === undefined)) return [];
    const score = Math.min(1, best + columnBonus(entity, table));
    return score >= MIN_TABLE_SCORE ? [{ entity, table, score: rounded(score) }] : [];
  });
}

function fit(known: string, whole: string, words: readonly string[]): number {
  if (known === whole) return 1;
  for (let from = 0; from < words.length; from += 1)
    for (let to = from + 1; to <= words.length; to += 1)
      if (words.slice(from, to).join("") === known) return PART_OF_NAME;
  return 0;
}

/** Columns that fit the entity's fields speak for it, a little each. */
function columnBonus(entity: Entity, table: SourceTable): number {
  return Math.min(0.2, fieldsOf(entity, unifiedFields(entity), table, new Set()).length * 0.03);
}

function draftOf(
  entity: Entity,
  table: SourceTable,
  score: number,
  keys: ReadonlyMap<Entity, Key>,
  tables: readonly SourceTable[],
  used: ReadonlySet<SourceTable>,
): DraftEntity {
  const { columns, isGuessed } = keys.get(entity) ?? { columns: [], isGuessed: true };
  const single = new Set(
    [...keys].flatMap(([other, key]) => (key.columns.length === 1 ? [other as string] : [])),
  );
  const unified = unifiedFields(entity);
  return {
    entity,
    table,
    score,
    key: columns,
    isKeyGuessed: isGuessed,
    changes: changesOf(table),
    createdAt: table.columns.find((one) => CREATED.test(plainName(one.name)) && shapeOf(one.type) === "date")
      ?.name,
    fields: fieldsOf(entity, unified, table, single),
    lines: linesOf(
      entity,
      unified,
      table,
      columns,
      tables.filter((one) => !used.has(one)),
      single,
    ),
  };
}

interface Key {
  readonly columns: readonly string[];
  readonly isGuessed: boolean;
}

function keyOf(entity: Entity, table: SourceTable): Key {
  const known = table.columns.filter(({ isKey }) => isKey).map(({ name }) => name);
  if (known.length > 0) return { columns: known, isGuessed: false };
  const named = bestColumn(entity, "code", "text", table) ?? bestColumn(entity, "number", "text", table);
  const first = table.columns[0]?.name;
  return {
    columns: named === undefined ? (first === undefined ? [] : [first]) : [named.column],
    isGuessed: true,
  };
}

function changesOf(table: SourceTable): DraftEntity["changes"] {
  const counter = table.columns.find(
    ({ name, type }) =>
      /^(?:rowversion|timestamp)$/i.test(type) ||
      (COUNTERS.test(plainName(name)) && shapeOf(type) === "number"),
  );
  if (counter !== undefined && !/^timestamp\b.+|^timestamp$/i.test(counter.type))
    return { by: "counter", column: counter.name };
  const changed = table.columns.find(
    ({ name, type }) => CHANGED.test(plainName(name)) && shapeOf(type) === "date",
  );
  return changed === undefined ? undefined : { by: "timestamp", column: changed.name };
}

function fieldsOf(
  entity: Entity | undefined,
  unified: UnifiedFields,
  table: SourceTable,
  targets: ReadonlySet<string>,
): readonly DraftField[] {
  const found = [...unified.byName].flatMap(([field, kind]) => {
    const target = REFERENCES[field];
    if (kind.kind === "reference" && (target === undefined || !targets.has(target))) return [];
    const best = bestColumn(entity, field, kind.kind, table);
    if (best === undefined) return [];
    const extra = kind.kind === "reference" && target !== undefined ? { target } : {};
    const values = kind.kind === "enum" ? { values: kind.values } : {};
    return [Object.assign(best, extra, values)];
  });
  // A column serves the field that it fits best; number and code may share theirs with the key.
  const bestOf = new Map<string, DraftField>();
  for (const one of found) {
    const other = bestOf.get(one.column);
    if (other === undefined || one.score > other.score) bestOf.set(one.column, one);
  }
  return found.filter((one) => bestOf.get(one.column) === one);
}

function bestColumn(
  entity: Entity | undefined,
  field: string,
  kind: FieldKind["kind"],
  table: SourceTable,
): DraftField | undefined {
  const own = field.replaceAll("_", "");
  const others = new Set(
    (FIELD_NAMES[field] ?? []).flatMap((name) =>
      name.startsWith("*") ? starred(name.slice(1), entity) : [name],
    ),
  );
  let best: DraftField | undefined;
  for (const { name, type } of table.columns) {
    const column = name.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, "");
    const score = column === own ? SAME_NAME : others.has(column) ? OTHER_NAME : 0;
    const fits = score === 0 ? undefined : typeFit(kind, shapeOf(type));
    if (fits === undefined || (best !== undefined && best.score >= score)) continue;
    const note = fits === "" ? undefined : fits;
    best = { field, column: name, kind, score, ...(note === undefined ? {} : { note }) };
  }
  return best;
}

/** `num` of a purchase order: `num`, `purchaseordernum`, `ponum`, and so with every name that its table may have. */
function starred(word: string, entity: Entity | undefined): readonly string[] {
  if (entity === undefined) return [word];
  const parts = entity.split("_");
  const names = [
    parts.join(""),
    parts.map((part) => part[0]).join(""),
    parts.at(-1) ?? "",
    ...Object.keys(TABLE_NAMES[entity] ?? {}),
  ];
  return [word, ...names.map((name) => name + word)];
}

/** Empty: it fits; a text: what to look at; undefined: it does not. */
function typeFit(kind: FieldKind["kind"], shape: Shape): string | undefined {
  switch (kind) {
    case "decimal":
    case "number":
      if (shape === "float") return "a floating-point column: amounts in it are not exact";
      return shape === "number"
        ? ""
        : shape === "text"
          ? "a text column: are there only numbers in it?"
          : undefined;
    case "date":
    case "instant":
      if (shape === "date") return "";
      return shape === "text" ? "a text column: in which format are its dates?" : undefined;
    case "boolean":
      return shape === "boolean" ? "" : undefined;
    case "object":
    case "list":
      return undefined;
    default:
      return shape === "date" || shape === "other" ? undefined : "";
  }
}

function shapeOf(type: string): Shape {
  const name = type.toLowerCase();
  if (/bool|^bit$/.test(name)) return "boolean";
  if (/date|time/.test(name)) return "date";
  if (/float|double|real/.test(name)) return "float";
  if (/int|num|dec|money|serial|fixed/.test(name)) return "number";
  if (/char|text|clob|string|uuid|uniqueidentifier|name/.test(name) || name === "") return "text";
  return "other";
}

/** A table whose name is the parent's and a word for lines, and that has the parent's key. */
function linesOf(
  entity: Entity,
  unified: UnifiedFields,
  parent: SourceTable,
  key: readonly string[],
  tables: readonly SourceTable[],
  targets: ReadonlySet<string>,
): DraftLines | undefined {
  const kind = unified.byName.get("lines");
  if (kind?.kind !== "list" || kind.item.kind !== "object" || key.length === 0) return undefined;
  const stem = plainName(parent.name).replace(/(?:header|head|kopf)$/, "");
  const names = new Set([stem, ...Object.keys(TABLE_NAMES[entity] ?? {})]);
  const has = (table: SourceTable, column: string): boolean =>
    table.columns.some(({ name }) => name.toLowerCase() === column.toLowerCase());
  const table = tables.find((one) => {
    const match = /^(.+?)(?:line|detail|item|position|pos|zeile)$/.exec(plainName(one.name));
    return match !== null && names.has(match[1] ?? "") && key.every((column) => has(one, column));
  });
  if (table === undefined) return undefined;
  const fields = fieldsOf(undefined, kind.item.fields, table, targets);
  const order = fields.find(({ field }) => field === "line_number")?.column;
  return { table, on: key, order, fields };
}

function rounded(score: number): number {
  return Math.round(score * 100) / 100;
}
