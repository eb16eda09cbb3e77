// A product's tables with a few rows, as test/fixtures/packs/<pack>/fixture.yaml describes them, for any database.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { parse } from "yaml";

/**
 * `bytes` are written as hex. Dates and times are text as the product's database would print them. `rowversion` is a
 * whole number that grows, and the database's own where it has such a type.
 */
export type FixtureType = "text" | "int" | "decimal" | "date" | "datetime" | "bit" | "bytes" | "rowversion";
export type FixtureValue = string | number | null;

export interface FixtureTable {
  readonly name: string;
  readonly columns: Readonly<Record<string, FixtureType>>;
  /** Every column of every row. */
  readonly rows: readonly (readonly FixtureValue[])[];
}

export interface PackFixture {
  readonly pack: string;
  readonly directory: string;
  readonly timeZone: string;
  /** `pack_settings` of the connection. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** The databases that the product runs on: connectors whose variants must fit the same tables. */
  readonly databases: readonly string[];
  readonly tables: readonly FixtureTable[];
  /** Codes that the rows hold and the pack does not know on purpose: `purchase_order.status XYZ`. */
  readonly unmapped: readonly string[];
  /** Mapped fields that no row fills: `vendor.website`. */
  readonly unfilled: readonly string[];
}

const ROOT = join(import.meta.dirname, "../fixtures/packs");
const TYPES: Readonly<Record<FixtureType, string>> = {
  text: "TEXT",
  int: "INTEGER",
  decimal: "DECIMAL(38, 10)",
  date: "TEXT",
  datetime: "TEXT",
  bit: "INTEGER",
  bytes: "BLOB",
  rowversion: "INTEGER",
};

export function fixtureNames(): readonly string[] {
  return readdirSync(ROOT).sort();
}

interface WrittenTable {
  readonly columns: Readonly<Record<string, FixtureType>>;
  /** For columns that a row does not name; null otherwise. */
  readonly defaults?: Readonly<Record<string, FixtureValue>>;
  readonly rows: readonly Readonly<Record<string, FixtureValue>>[];
}

/** @throws TypeError for a row with a column that its table has not, or an unknown type */
export function readFixture(pack: string): PackFixture {
  const directory = join(ROOT, pack);
  const written = parse(readFileSync(join(directory, "fixture.yaml"), "utf8")) as {
    readonly time_zone: string;
    readonly settings?: Readonly<Record<string, unknown>>;
    readonly databases: readonly string[];
    readonly tables: Readonly<Record<string, WrittenTable>>;
    readonly unmapped?: readonly string[];
    readonly unfilled?: readonly string[];
  };
  return {
    pack,
    directory,
    timeZone: written.time_zone,
    settings: written.settings ?? {},
    databases: written.databases,
    tables: Object.entries(written.tables).map(([name, table]) => readTable(name, table)),
    unmapped: written.unmapped ?? [],
    unfilled: written.unfilled ?? [],
  };
}

function readTable(name: string, { columns, defaults = {}, rows }: WrittenTable): FixtureTable {
  for (const [column, type] of Object.entries(columns))
    if (!(type in TYPES)) throw new TypeError(`${name}.${column}: no type ${type}`);
  const names = Object.keys(columns);
  return {
    name,
    columns,
    rows: rows.map((row, at) => {
      for (const column of [...Object.keys(row), ...Object.keys(defaults)])
        if (!names.includes(column)) throw new TypeError(`${name}: row ${at + 1} has a column ${column}`);
      return names.map((column) => (column in row ? row[column]! : (defaults[column] ?? null)));
    }),
  };
}

/** How one kind of database writes tables and values. */
export interface TableWriter {
  readonly types: Readonly<Record<FixtureType, string>>;
  /** The database fills such columns itself. */
  readonly ownRowversions: boolean;
  quote(name: string): string;
  /** A text that is escaped already. */
  text(value: string): string;
}

/** A table and its rows as statements, each ended by `;`. */
export function sqlOf({ name, columns, rows }: FixtureTable, writer: TableWriter): string {
  const declared = Object.entries(columns).map(
    ([column, type]) => `${writer.quote(column)} ${writer.types[type]}`,
  );
  const written = Object.entries(columns).flatMap(([column, type], at) =>
    type === "rowversion" && writer.ownRowversions ? [] : [{ column, type, at }],
  );
  const names = written.map(({ column }) => writer.quote(column)).join(", ");
  const literal = (value: FixtureValue, type: FixtureType): string => {
    if (value === null) return "NULL";
    if (["int", "decimal", "bit", "rowversion"].includes(type)) return String(value);
    const escaped = String(value).replaceAll("'", "''");
    return type === "text" ? writer.text(escaped) : `'${escaped}'`;
  };
  const table = writer.quote(name);
  return [
    `CREATE TABLE ${table} (${declared.join(", ")});`,
    ...rows.map((row) => {
      const values = written.map(({ type, at }) => literal(row[at]!, type));
      return `INSERT INTO ${table} (${names}) VALUES (${values.join(", ")});`;
    }),
  ].join("\n");
}

/** Writes the tables into a new SQLite file. */
export function writeSqlite(fixture: PackFixture, file: string): void {
  const database = new Database(file);
  // Nobody needs the file after a crash.
  database.pragma("synchronous = OFF");
  database.pragma("journal_mode = MEMORY");
  const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;
  for (const { name, columns, rows } of fixture.tables) {
    const declared = Object.entries(columns).map(([column, type]) => `${quote(column)} ${TYPES[type]}`);
    database.exec(`CREATE TABLE ${quote(name)} (${declared.join(", ")})`);
    const types = Object.values(columns);
    const insert = database.prepare(`INSERT INTO ${quote(name)} VALUES (${types.map(() => "?").join(", ")})`);
    for (const row of rows)
      insert.run(
        row.map((value, at) => (types[at] === "bytes" && value !== null ? hexBytes(String(value)) : value)),
      );
  }
  database.close();
}

function hexBytes(hex: string): Buffer {
  return Buffer.from(hex, "hex");
}
