// Writes whose commit has no answer: what the writer makes of it, with the row, with nothing, and with a source that is away.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sqliteDefinition } from "#agent/connectors/sqlite/definition.ts";
import { SqliteConnection } from "#agent/connectors/sqlite/connection.ts";
import { SqliteWriteSource } from "#agent/connectors/sqlite/write-source.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import type { WriteOutcome, WriteRequest } from "#agent/core/source/write.ts";
import { TableWriter } from "#agent/core/sql/table-writer.ts";
import { shapeEntities } from "#agent/core/sql/table-shape.ts";
import { shapeWrites } from "#agent/core/sql/write-shape.ts";
import { CommitUnknown, type SqlWriteSource } from "#agent/core/sql/write-source.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { ConnectorError } from "#common/runtime/errors.ts";

const slots = ["TITLE", "NOTE"].map((name) => ({ name }));
const PLAN: EntityPlan = {
  entity: "work_order",
  table: { name: "WO" },
  key: ["NUM"],
  columns: ["NUM", "TITLE"],
  filters: [],
  change: { kind: "full_scan" },
  children: [],
  writes: [
    { operation: "update", form: "update", slots },
    { operation: "create", form: "insert", slots: [{ name: "NUM" }, ...slots] },
    { operation: "stage", form: "interface_table", table: { name: "IFACE" }, slots: slots.slice(0, 1) },
  ],
};

describe("a commit without an answer", () => {
  let directory: string;
  let database: Database.Database;
  let real: SqliteWriteSource;
  /** What happens to the first commit, and to everything after it. */
  let fate: { readonly isKept: boolean; readonly afterwards?: () => void };

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "millrace-writer-"));
    database = new Database(join(directory, "plant.db"));
    database.exec(`CREATE TABLE WO (NUM TEXT PRIMARY KEY, TITLE TEXT, NOTE TEXT); CREATE TABLE IFACE (TITLE TEXT);
      INSERT INTO WO VALUES ('1', 'old', '')`);
  });
  afterEach(() => {
    real.close();
    database.close();
    rmSync(directory, { recursive: true });
  });

  function write(change: Partial<WriteRequest> = {}): Promise<WriteOutcome> {
    const parsed = sqliteDefinition.parseConfig({ file: join(directory, "plant.db") });
    if (!parsed.ok) throw new Error("settings must parse");
    const reading = new SqliteConnection(parsed.value);
    const catalogue = reading.catalogue();
    const shapes = shapeWrites(shapeEntities([PLAN], catalogue), catalogue, undefined, {
      hasProcedures: false,
      hasSequences: false,
    });
    reading.close();
    real = new SqliteWriteSource(parsed.value, systemClock);
    let isLost = false;
    const source: SqlWriteSource = {
      dialect: real.dialect,
      rowLock: real.rowLock,
      writeTransaction: async (signal, work) => {
        if (isLost) return await real.writeTransaction(signal, work);
        isLost = true;
        await real.writeTransaction(signal, async (session) => {
          const { value } = await work(session);
          return { isKept: fate.isKept, value };
        });
        fate.afterwards?.();
        throw new CommitUnknown("The connection was lost while committing.");
      },
    };
    return new TableWriter({ source, shapes, clock: systemClock }).write({
      commandId: "c-1",
      entity: "work_order",
      operation: "update",
      key: ["1"],
      values: { TITLE: "new" },
      dryRun: false,
      signal: new AbortController().signal,
      ...change,
    });
  }

  test("is applied if the row is as it was written", async () => {
    fate = { isKept: true };
    expect(await write()).toMatchObject({ status: "applied", row: { columns: { TITLE: "new" } } });
  });

  test("was not applied if the row is as it was before: it may be tried again", async () => {
    fate = { isKept: false };
    await expect(write()).rejects.toThrow(ConnectorError);
    await expect(write()).rejects.toMatchObject({ kind: "unavailable" });
  });

  test.each([
    ["somebody has written since", { isKept: true, sql: "UPDATE WO SET TITLE = 'other'" }],
    ["the row is gone", { isKept: true, sql: "DELETE FROM WO" }],
    ["the source cannot be asked", { isKept: true, sql: "DROP TABLE WO" }],
  ])("is unknown if %s", async (_, { isKept, sql }) => {
    fate = { isKept, afterwards: () => void database.exec(sql) };
    expect(await write()).toMatchObject({ status: "unknown_outcome" });
  });

  test.each([true, false])("is unknown if nothing that is read has changed (kept: %s)", async (isKept) => {
    fate = { isKept };
    expect(await write({ values: { NOTE: "unseen" } })).toMatchObject({ status: "unknown_outcome" });
    expect(await write({ values: { TITLE: "old" } })).toMatchObject({ status: "unknown_outcome" });
  });

  test("of a new row: there, or unknown, for the lost transaction may still be ending", async () => {
    fate = { isKept: true };
    const create = { operation: "create", key: undefined, values: { NUM: "2", TITLE: "new" } };
    expect(await write(create)).toMatchObject({ status: "applied", row: { key: ["2"] } });
    fate = { isKept: false };
    const other = { ...create, values: { NUM: "3", TITLE: "new" } };
    expect(await write(other)).toMatchObject({ status: "unknown_outcome" });
  });

  test("of a staged row without the command's id: unknown", async () => {
    fate = { isKept: true };
    const stage = { operation: "stage", key: undefined };
    expect(await write(stage)).toMatchObject({ status: "unknown_outcome" });
  });

  test("answers after the caller has left", async () => {
    const leaving = new AbortController();
    fate = { isKept: true, afterwards: () => leaving.abort() };
    expect(await write({ signal: leaving.signal })).toMatchObject({ status: "applied" });
  });
});
