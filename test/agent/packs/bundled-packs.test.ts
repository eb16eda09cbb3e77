// The packs of real products against fixtures with those products' own tables: golden records, and what holds for all.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sqliteDefinition } from "#agent/connectors/sqlite/definition.ts";
import type { CompiledPack } from "#agent/core/mapping/mapping.ts";
import type { Connector, Cursor, Pass, SourceRow } from "#agent/core/source/connector.ts";
import type { ChildPlan, EntityPlan, TimestampFormat } from "#agent/core/source/plan.ts";
import { zoneOffsetMs } from "#agent/core/sql/timestamps.ts";
import { CompanyTables } from "#agent/core/sql/company-tables.ts";
import { bundledPacks, loadPack } from "#agent/packs/load-pack.ts";
import { ENTITIES, RecordEnvelope, isEntity } from "#common/contract/model/entities.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { ConfigError } from "#common/runtime/errors.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { fixtureNames, readFixture, writeSqlite, type PackFixture } from "#test/support/pack-fixture.ts";
import { referencesIn } from "#test/support/record-references.ts";

const CONNECTION = "6f1c1c1e-0b0a-4f6e-9d63-0d1c4a5b6c7d";
/** Its own tests compare it with the demo's plant. */
const TESTED_ELSEWHERE: ReadonlySet<string> = new Set(["demo-cmms"]);
const directory = mkdtempSync(join(tmpdir(), "millrace-packs-"));
afterAll(() => rmSync(directory, { recursive: true }));

type UnifiedRecord = Readonly<Record<string, unknown>> & { readonly remote_id: string };

test("every bundled pack has a fixture and a place in the list of packs", () => {
  expect(bundledPacks().filter((name) => !TESTED_ELSEWHERE.has(name))).toEqual(fixtureNames());
  const readme = readFileSync(join(import.meta.dirname, "../../../agent/packs/README.md"), "utf8");
  for (const name of fixtureNames()) expect(readme).toContain(`(${name}.yaml)`);
});

describe.each(fixtureNames())("%s", (name) => {
  const fixture = readFixture(name);
  const pack = packFor(fixture, "sqlite");
  let source: Connector;
  let records: ReadonlyMap<string, readonly UnifiedRecord[]>;

  beforeAll(async () => {
    const file = join(directory, `${name}.db`);
    writeSqlite(fixture, file);
    source = await openSqlite(fixture, pack, file);
    records = await allRecords(fixture, pack, source);
  });
  afterAll(async () => {
    await source[Symbol.asyncDispose]();
  });

  test("says why it only reads", () => {
    expect(pack.readOnly).toMatch(/\S{3}/);
  });

  test.each(fixture.databases)("reads nothing that %s's tables have not", (database) => {
    expect(missingColumns(packFor(fixture, database), fixture)).toEqual([]);
  });

  test("golden records (-u writes them anew)", async () => {
    const text = JSON.stringify(Object.fromEntries(records), null, 2);
    await expect(`${text}\n`).toMatchFileSnapshot(join(fixture.directory, "records.golden.json"));
  });

  test("every record satisfies the model", () => {
    for (const [entity, all] of records) {
      if (!isEntity(entity)) throw new TypeError(entity);
      const validator = Compile(Type.Intersect([RecordEnvelope, ENTITIES[entity].schema]));
      expect(all.length).toBeGreaterThan(0);
      expect(all.filter((record) => !validator.Check(record))).toEqual([]);
      expect(new Set(all.map((record) => record.remote_id)).size).toBe(all.length);
    }
  });

  test("references meet records", () => {
    const known = new Map(
      [...records].map(([entity, all]) => [entity, new Set(all.map((r) => r.remote_id))]),
    );
    const dangling = pack.entities.flatMap(({ plan }) =>
      (records.get(plan.entity) ?? []).flatMap((record) =>
        referencesIn(plan.entity, record).filter(
          ({ target, remoteId }) => known.get(target)?.has(remoteId) === false,
        ),
      ),
    );
    expect(dangling).toEqual([]);
  });

  test("every mapped field has a value somewhere, and every code is known", () => {
    const filled = new Set<string>();
    const mapped = new Set<string>();
    for (const [entity, all] of records) for (const record of all) collect(record, entity, mapped, filled);
    expect([...mapped].filter((field) => !filled.has(field)).sort()).toEqual([...fixture.unfilled].sort());
    const unmapped = pack.unmappedCodes().map(({ entity, field, code }) => `${entity}.${field} ${code}`);
    expect(unmapped.sort()).toEqual([...fixture.unmapped].sort());
  });

  test("a window keeps master data, all of its own days, and of older documents those without an end", async () => {
    const ended = new Set(["closed", "cancelled", "paid", "void"]);
    const read = async (entity: string, documentsFromMs?: number): Promise<readonly SourceRow[]> =>
      (await readAll(source, entity, "snapshot", undefined, documentsFromMs)).rows;
    let leftOut = 0;
    for (const { plan } of pack.entities) {
      const { entity, documentDate } = plan;
      const all = await read(entity);
      const late = await read(entity, Date.UTC(2100, 0, 1));
      expect(await read(entity, Date.UTC(1980, 0, 1))).toEqual(all);
      expect(documentDate === undefined ? late : all).toEqual(all);
      leftOut += all.length - late.length;
      const dated = late.filter(({ columns }) => documentDate && isDate(columns[documentDate.column]));
      const statuses = dated.map(({ key }) => {
        const record = records.get(entity)?.find(({ remote_id: id }) => id === key.join("/"));
        return String(record?.["status"]);
      });
      expect(statuses.filter((status) => ended.has(status))).toEqual([]);
    }
    expect(leftOut).toBeGreaterThan(0);
  });

  test("a change in any table that has a marker leads to its record", async () => {
    const file = join(directory, `${name}-changes.db`);
    writeSqlite(fixture, file);
    const database = new Database(file);
    const parts = pack.entities.flatMap(({ plan }) =>
      [plan, ...plan.children].map((part) => ({ plan, part })),
    );
    // Without any marker nothing is found but what is moved here.
    for (const { part } of parts) writeMarkers(database, part, null);
    const changing = await openSqlite(fixture, pack, file);
    const silent: string[] = [];
    for (const { plan, part } of parts) {
      if (plan.change.kind === "full_scan") continue;
      const { cursor } = await readAll(changing, plan.entity, "incremental");
      const before = await readAll(changing, plan.entity, "incremental", cursor);
      expect(before.rows).toEqual([]);
      const moved = writeMarkers(database, part, fixture.timeZone);
      const after = await readAll(changing, plan.entity, "incremental", cursor);
      if (moved > 0 && after.rows.length === 0)
        silent.push(`${plan.entity} ${"name" in part ? part.name : ""}`);
      writeMarkers(database, part, null);
    }
    expect(silent).toEqual([]);
    await changing[Symbol.asyncDispose]();
    database.close();
  });
});

/** Neither nothing nor what products write for it. */
function isDate(value: SourceRow["columns"][string] | undefined): boolean {
  const text = typeof value === "string" || typeof value === "number" ? String(value) : "";
  return /[1-9]/.test(text) && !/^(?:1753|1900|0001)-/.test(text);
}

function packFor(fixture: PackFixture, connector: string): CompiledPack {
  const loaded = loadPack(fixture.pack, { connector, settings: fixture.settings });
  if (!loaded.ok) throw new ConfigError(`pack ${fixture.pack}`, loaded.issues);
  return loaded.pack;
}

async function openSqlite(fixture: PackFixture, pack: CompiledPack, file: string): Promise<Connector> {
  const settings = sqliteDefinition.parseConfig({ file });
  if (!settings.ok) throw new ConfigError("sqlite", settings.issues);
  const connector = sqliteDefinition.create(settings.value, {
    connection: fixture.pack,
    plans: pack.entities.map(({ plan }) => plan),
    timeZone: fixture.timeZone,
    clock: systemClock,
    logger: silentLogger,
    dataDir: directory,
  });
  await connector.open(new AbortController().signal);
  return connector;
}

async function readAll(
  connector: Connector,
  entity: string,
  pass: Pass,
  after?: Cursor,
  documentsFromMs?: number,
): Promise<{ readonly rows: readonly SourceRow[]; readonly cursor: Cursor | undefined }> {
  const rows: SourceRow[] = [];
  const { signal } = new AbortController();
  let cursor = after;
  for await (const batch of connector.read({ entity, pass, after, documentsFromMs, maxRows: 100, signal })) {
    rows.push(...batch.rows);
    cursor = batch.cursor;
  }
  return { rows, cursor };
}

/** Writes "now" (or, without a zone, nothing) into every row's marker; how many rows that were. */
function writeMarkers(
  database: Database.Database,
  part: EntityPlan | ChildPlan,
  timeZone: string | null,
): number {
  const { change, filters } = part;
  if (change === undefined || change.kind === "full_scan") return 0;
  const all = database.prepare("SELECT name FROM sqlite_schema").pluck().all() as string[];
  const { company } = part.table;
  const found =
    company === undefined ? [part.table] : new CompanyTables(all).find({ ...part.table, company });
  const tables = typeof found === "string" ? [] : found.filter((table) => all.includes(table.name));
  const quote = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  const now = change.kind === "counter" ? 1_000_000 : markerNow(change.format, timeZone ?? "UTC");
  const conditions = filters.map(({ column, op, value }) =>
    op === "in"
      ? `${quote(column)} IN (${(value as readonly unknown[]).map(literal).join(", ")})`
      : `${quote(column)} ${op === "=" ? "IS" : "IS NOT"} ${literal(value)}`,
  );
  let moved = 0;
  for (const { name } of tables) {
    const update = `UPDATE ${quote(name)} SET ${quote(change.column)} = ?`;
    const where = timeZone === null ? [] : conditions;
    moved += database
      .prepare(where.length === 0 ? update : `${update} WHERE ${where.join(" AND ")}`)
      .run(timeZone === null ? null : now).changes;
  }
  return moved;
}

function literal(value: unknown): string {
  return typeof value === "number" ? String(value) : `'${String(value).replaceAll("'", "''")}'`;
}

/** A minute ago: a marker of the future would not count. */
function markerNow(format: TimestampFormat, timeZone: string): string | number {
  const atMs = Date.now() - 60_000;
  if (format === "epoch_s") return Math.floor(atMs / 1000);
  if (format === "epoch_ms") return atMs;
  const localMs = format === "utc" ? atMs : atMs + zoneOffsetMs(timeZone, atMs);
  const iso = new Date(localMs).toISOString();
  if (format === "yyyymmdd") return iso.slice(0, 10).replaceAll("-", "");
  if (format !== "cyyddd") return iso.slice(0, 19).replace("T", " ");
  const year = Number(iso.slice(0, 4));
  const day = Math.floor((localMs - Date.UTC(year, 0, 1)) / 86_400_000) + 1;
  return (year - 1900) * 1000 + day;
}

async function allRecords(
  fixture: PackFixture,
  pack: CompiledPack,
  source: Connector,
): Promise<ReadonlyMap<string, readonly UnifiedRecord[]>> {
  const records = new Map<string, readonly UnifiedRecord[]>();
  for (const compiled of pack.entities) {
    const { plan } = compiled;
    const map = compiled.mapper({
      connectionId: CONNECTION,
      timeZone: fixture.timeZone,
      raw: true,
      hidden: [],
      keyRules: (entity) => source.keyRules(entity),
    });
    const { rows } = await readAll(source, plan.entity, "snapshot");
    records.set(
      plan.entity,
      rows.map((row) => {
        const mapped = map(row);
        if (!mapped.ok) throw new RangeError(`${plan.entity} ${row.key.join("/")}: ${mapped.detail}`);
        const record = JSON.parse(mapped.record) as UnifiedRecord;
        return mapped.isDeleted ? Object.assign(record, { $deleted: true }) : record;
      }),
    );
  }
  return records;
}

/** Tables and columns of the plans that the fixture has not; names as the databases compare them, without case. */
function missingColumns(pack: CompiledPack, { tables }: PackFixture): readonly string[] {
  const byName = new Map(tables.map((table) => [table.name.toLowerCase(), table]));
  const companies = new CompanyTables(tables.map((table) => table.name));
  return pack.entities.flatMap(({ plan }) =>
    [plan, ...plan.children].flatMap((part) => {
      const { company, name } = part.table;
      const found = company === undefined ? [part.table] : companies.find({ ...part.table, company });
      if (typeof found === "string") return [found];
      const joins = "on" in part ? part.on.map(({ child }) => child) : [];
      const markers =
        part.change === undefined || part.change.kind === "full_scan" ? [] : [part.change.column];
      const filters = part.filters.map(({ column }) => column);
      const { column, openWhen = [] } = ("documentDate" in part ? part.documentDate : undefined) ?? {};
      const dates = [...(column === undefined ? [] : [column]), ...openWhen.map((filter) => filter.column)];
      const named = [...part.columns, ...(part.named ?? []), ...dates];
      const wanted = new Set([...named, ...joins, ...markers, ...filters]);
      wanted.delete("*");
      return found.flatMap((table) => {
        const columns = byName.get(table.name.toLowerCase())?.columns;
        if (columns === undefined)
          return "isOptional" in part && (part.isOptional ?? false) ? [] : [`no table ${name}`];
        const has = new Set(Object.keys(columns).map((column) => column.toLowerCase()));
        return [...wanted].filter((column) => !has.has(column.toLowerCase())).map((c) => `${name}.${c}`);
      });
    }),
  );
}

function collect(value: unknown, path: string, mapped: Set<string>, filled: Set<string>): void {
  mapped.add(path);
  if (value === null) return;
  if (Array.isArray(value)) {
    if (value.length > 0) filled.add(path);
    for (const item of value) if (typeof item === "object") collect(item, path, mapped, filled);
    return;
  }
  filled.add(path);
  if (typeof value !== "object" || path.endsWith(".custom_fields") || path.endsWith("remote_key")) return;
  for (const [name, member] of Object.entries(value)) collect(member, `${path}.${name}`, mapped, filled);
}
