// The packs' fixtures on the databases that the products run on: the same records as on SQLite, through the real drivers.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { CompiledPack } from "#agent/core/mapping/mapping.ts";
import type { Connector, Cursor, Pass, SourceKey, SourceRow } from "#agent/core/source/connector.ts";
import type { ChildPlan, EntityPlan } from "#agent/core/source/plan.ts";
import { CompanyTables } from "#agent/core/sql/company-tables.ts";
import { loadPack } from "#agent/packs/load-pack.ts";
import { ConfigError } from "#common/runtime/errors.ts";
import { startPlant } from "#test/agent/connectors/sql-server/plant.ts";
import { OraclePlant } from "#test/support/oracle-plant.ts";
import {
  fixtureNames,
  readFixture,
  sqlOf,
  type PackFixture,
  type TableWriter,
} from "#test/support/pack-fixture.ts";

interface Source extends AsyncDisposable {
  sql(statements: string): Promise<void>;
  connector(plans: readonly EntityPlan[], options: { readonly timeZone: string }): Connector;
}

interface Database {
  readonly name: string;
  /** Where the engine keeps its tables, whatever the product calls that place. */
  readonly schema: string;
  readonly writer: TableWriter;
  start(): Promise<Source>;
}

const SQL_SERVER: Database = {
  name: "sql-server",
  schema: "dbo",
  writer: {
    quote: (name) => `[${name}]`,
    text: (value) => `N'${value}'`,
    types: {
      text: "nvarchar(400)",
      int: "bigint",
      decimal: "decimal(28,10)",
      date: "date",
      datetime: "datetime2(3)",
      bit: "bit",
      bytes: "varbinary(100)",
      rowversion: "rowversion",
    },
    ownRowversions: true,
  },
  start: () => startPlant(),
};

const ORACLE: Database = {
  name: "oracle",
  schema: "PLANT",
  writer: {
    quote: (name) => `"${name}"`,
    text: (value) => `'${value}'`,
    types: {
      text: "VARCHAR2(400)",
      int: "NUMBER(19)",
      decimal: "NUMBER",
      date: "DATE",
      datetime: "DATE",
      bit: "NUMBER(1)",
      bytes: "RAW(100)",
      rowversion: "NUMBER(19)",
    },
    ownRowversions: false,
  },
  start: () => OraclePlant.start(),
};

describe.each([SQL_SERVER, ORACLE])("$name", (database) => {
  const names = fixtureNames().filter((name) => readFixture(name).databases.includes(database.name));

  test.each(names)("%s gives its golden records", async (name) => {
    const fixture = readFixture(name);
    await using source = await database.start();
    for (const table of fixture.tables) await source.sql(sqlOf(table, database.writer));
    const pack = packFor(fixture, database);
    await using connector = source.connector(
      pack.entities.map(({ plan }) => plan),
      { timeZone: fixture.timeZone },
    );
    await connector.open(new AbortController().signal);
    const golden = JSON.parse(readFileSync(join(fixture.directory, "records.golden.json"), "utf8")) as Json;
    const found: Record<string, unknown> = {};
    for (const compiled of pack.entities) {
      const { entity } = compiled.plan;
      const map = compiled.mapper({
        connectionId: "6f1c1c1e-0b0a-4f6e-9d63-0d1c4a5b6c7d",
        timeZone: fixture.timeZone,
        raw: false,
        hidden: [],
        keyRules: (one) => connector.keyRules(one),
      });
      const { rows } = await readAll(connector, entity, "snapshot");
      const records = rows.map((row) => {
        const mapped = map(row);
        if (!mapped.ok) throw new RangeError(`${entity} ${row.key.join("/")}: ${mapped.detail}`);
        return JSON.parse(mapped.record) as Json;
      });
      found[entity] = comparable(records);
    }
    expect(found).toEqual(comparable(golden));
  });

  test.each(names)("%s can be followed", async (name) => {
    const fixture = readFixture(name);
    await using source = await database.start();
    for (const table of fixture.tables) await source.sql(sqlOf(table, database.writer));
    const pack = packFor(fixture, database);
    await using connector = source.connector(
      pack.entities.map(({ plan }) => plan),
      { timeZone: fixture.timeZone },
    );
    await connector.open(new AbortController().signal);
    for (const { plan } of pack.entities) {
      const { cursor } = await readAll(connector, plan.entity, "incremental");
      const { rows } = await readAll(connector, plan.entity, "incremental", cursor);
      const known = (await readAll(connector, plan.entity, "keys")).rows.map(({ key }) => key.join("/"));
      expect(known).toEqual(expect.arrayContaining(rows.map(({ key }) => key.join("/"))));
      const early = await readAll(connector, plan.entity, "keys", undefined, [], Date.UTC(1980, 0, 1));
      expect(early.rows.map(({ key }) => key.join("/"))).toEqual(known);
      const late = await readAll(connector, plan.entity, "keys", undefined, [], Date.UTC(2100, 0, 1));
      const kept = late.rows.map(({ key }) => key.join("/"));
      expect(known).toEqual(expect.arrayContaining(kept));
      expect(kept.length === known.length || plan.documentDate !== undefined).toBe(true);
      const keys = (await readAll(connector, plan.entity, "snapshot")).rows.map(({ key }) => key);
      const points = await readAll(connector, plan.entity, "point", undefined, keys);
      expect(points.rows.map(({ key }) => key.join("/")).toSorted()).toEqual(known.toSorted());
    }
  });
});

describe("sql-server rowversions", () => {
  const names = fixtureNames().filter((name) =>
    readFixture(name).tables.some(({ columns }) => Object.values(columns).includes("rowversion")),
  );

  test.each(names)("%s: a write in any table that has one leads to its record", async (name) => {
    const fixture = readFixture(name);
    await using source = await SQL_SERVER.start();
    for (const table of fixture.tables) await source.sql(sqlOf(table, SQL_SERVER.writer));
    const pack = packFor(fixture, SQL_SERVER);
    await using connector = source.connector(
      pack.entities.map(({ plan }) => plan),
      { timeZone: fixture.timeZone },
    );
    await connector.open(new AbortController().signal);
    const silent: string[] = [];
    for (const { plan } of pack.entities)
      for (const part of [plan, ...plan.children]) {
        const { cursor } = await readAll(connector, plan.entity, "incremental");
        const idle = await readAll(connector, plan.entity, "incremental", cursor);
        expect(idle.rows).toEqual([]);
        const isWritten = part.change?.kind === "counter" && (await writeAll(source, part, fixture));
        const { rows } = await readAll(connector, plan.entity, "incremental", cursor);
        if (isWritten && rows.length === 0) silent.push(`${plan.entity} ${part.table.name}`);
      }
    expect(silent).toEqual([]);
  });
});

/** Writes what is there already, into every row that the part means; false if its table is not there. */
async function writeAll(
  source: Source,
  part: EntityPlan | ChildPlan,
  { tables }: PackFixture,
): Promise<boolean> {
  const { company, name } = part.table;
  const companies = new CompanyTables(tables.map((table) => table.name));
  const found = company === undefined ? [part.table] : companies.find({ ...part.table, company });
  const meant = tables.filter(
    (table) =>
      typeof found !== "string" && found.some((one) => one.name.toLowerCase() === table.name.toLowerCase()),
  );
  for (const table of meant) {
    const [column] = Object.entries(table.columns).find(([, type]) => type !== "rowversion") ?? [name];
    const { writer } = SQL_SERVER;
    await source.sql(
      `UPDATE ${writer.quote(table.name)} SET ${writer.quote(column)} = ${writer.quote(column)};`,
    );
  }
  return meant.length > 0;
}

/** Entities that name a module's schema of their own get the engine's place only without their variant. */
function packFor({ pack, settings }: PackFixture, { name, schema }: Database): CompiledPack {
  const connector = pack === "oracle-ebs" ? "sqlite" : name;
  const loaded = loadPack(pack, { connector, settings: { ...settings, schema } });
  if (!loaded.ok) throw new ConfigError(`pack ${pack}`, loaded.issues);
  return loaded.pack;
}

async function readAll(
  connector: Connector,
  entity: string,
  pass: Pass,
  after?: Cursor,
  keys: readonly SourceKey[] = [],
  documentsFromMs?: number,
): Promise<{ readonly rows: readonly SourceRow[]; readonly cursor: Cursor | undefined }> {
  const rows: SourceRow[] = [];
  const { signal } = new AbortController();
  let cursor = after;
  for await (const batch of connector.read({
    entity,
    pass,
    after,
    keys,
    documentsFromMs,
    maxRows: 100,
    signal,
  })) {
    rows.push(...batch.rows);
    cursor = batch.cursor;
  }
  return { rows, cursor };
}

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/**
 * Without what may differ from database to database: ids (keys that ignore case), the schema before the table, the scale of decimals,
 * blanks that fill up a key, how custom dates are written, bits as yes or no, empty texts (Oracle has none), the order of keys.
 */
function comparable(value: Json): unknown {
  if (Array.isArray(value)) {
    const items = (value as readonly Json[]).map(comparable);
    const isRecords = items.some((item) => typeof item === "object" && item !== null && "remote_key" in item);
    return isRecords ? items.toSorted((one, other) => (remoteId(one) < remoteId(other) ? -1 : 1)) : items;
  }
  if (typeof value === "object" && value !== null) {
    const kept = Object.entries(value).filter(([name]) => name !== "id" && name !== "source");
    return Object.fromEntries(
      kept.map(([name, member]) => [
        name,
        name === "remote_id" ? unpadded(member as string) : comparable(member),
      ]),
    );
  }
  return plain(value);
}

/** A key's parts without the blanks that fill a fixed width: some databases leave them out. */
function unpadded(remoteId: string): string {
  return remoteId.replaceAll(/ +(?=\/|$)/g, "");
}

function remoteId(record: unknown): string {
  return String((record as { remote_id: unknown }).remote_id);
}

function plain(value: string | number | boolean | null): string | boolean | null {
  if (value === null || value === "") return null;
  if (typeof value === "boolean") return value ? "1" : "0";
  const text = String(value);
  if (/^-?\d+\.\d+$/.test(text)) return text.replace(/\.?0+$/, "");
  return text.replace(/^(\d{4}-\d\d-\d\d)T?( ?00:00:00(?:\.0+)?)$/, "$1").replace(/ 00:00:00(?:\.0+)?$/, "");
}
