// The demo plant: repeatable, complete, and changing in every way that a connector must notice.
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { fillPlant, openOrSeedPlant, openPlant } from "./database.ts";
import { CHANGES, type ChangeKind } from "./changes.ts";
import { createMutator } from "./mutate.ts";
import type { PlantMessage } from "./plant-database.ts";
import { Random } from "./random.ts";
import { PLANT_TABLES, STAMPED_TABLES } from "./schema.ts";
import { SEED_NOW_MS, type SeedOptions } from "./seed.ts";
import { PO_STATUSES, SITES, WO_STATUSES } from "./vocabulary.ts";

const directory = mkdtempSync(join(tmpdir(), "millrace-plant-"));
afterAll(() => rmSync(directory, { recursive: true }));

function memoryPlant(options: SeedOptions = { scale: 0.04 }): Database.Database {
  const db = new Database(":memory:");
  fillPlant(db, options);
  return db;
}

function content(db: Database.Database): string {
  return JSON.stringify(
    PLANT_TABLES.map((table) => db.prepare(`SELECT * FROM ${table} ORDER BY rowid`).raw().all()),
  );
}

function count(db: Database.Database, sql: string): number {
  return db.prepare(`SELECT count(*) FROM ${sql}`).pluck().get() as number;
}

describe("the seed", () => {
  test("gives the same plant for the same seed, another for another", () => {
    const plant = content(memoryPlant({ seed: 7, scale: 0.02 }));
    expect(content(memoryPlant({ seed: 7, scale: 0.02 }))).toBe(plant);
    expect(content(memoryPlant({ seed: 8, scale: 0.02 }))).not.toBe(plant);
  });

  describe("at full size", () => {
    let db: Database.Database;
    beforeAll(() => {
      db = memoryPlant({});
    });

    test("has what a plant has", () => {
      expect(count(db, "COMPANIES")).toBe(600);
      expect(count(db, "ITEM")).toBe(2_000);
      expect(count(db, "PO")).toBe(3_000);
      expect(count(db, "WORKORDER WHERE ISTASK = 0")).toBe(4_000);
      expect(Math.abs(count(db, "ASSET") - 800)).toBeLessThan(20);
      for (const table of PLANT_TABLES) expect([table, count(db, table) > 0]).toEqual([table, true]);
    });

    test("knows every status, site and level of the hierarchy", () => {
      const values = (sql: string): string[] => (db.prepare(sql).pluck().all() as string[]).sort();
      expect(values("SELECT DISTINCT STATUS FROM PO")).toEqual(Object.keys(PO_STATUSES).sort());
      expect(values("SELECT DISTINCT STATUS FROM WORKORDER WHERE ISTASK = 0")).toEqual(
        Object.keys(WO_STATUSES).sort(),
      );
      expect(values("SELECT DISTINCT SITEID FROM PO")).toEqual(SITES.map(({ id }) => id).sort());
      expect(
        count(db, "ASSET A JOIN ASSET B ON A.PARENT = B.ASSETNUM JOIN ASSET C ON B.PARENT = C.ASSETNUM"),
      ).toBeGreaterThan(100);
    });

    test("is consistent: what rows point to is there, and totals are exact", () => {
      expect(count(db, "PO WHERE VENDOR NOT IN (SELECT COMPANY FROM COMPANIES)")).toBe(0);
      expect(count(db, "POLINE WHERE ITEMNUM NOT IN (SELECT ITEMNUM FROM ITEM)")).toBe(0);
      expect(count(db, "WORKORDER WHERE ASSETNUM NOT IN (SELECT ASSETNUM FROM ASSET)")).toBe(0);
      expect(count(db, "ASSET WHERE PARENT NOT IN (SELECT ASSETNUM FROM ASSET)")).toBe(0);
      const wrong = `PO JOIN (SELECT SITEID, PONUM, sum(round(LINECOST * 100)) AS NET FROM POLINE GROUP BY 1, 2) USING (SITEID, PONUM)
        WHERE round(PRETAXTOTAL * 100) <> NET`;
      expect(count(db, wrong)).toBe(0);
    });

    test("stamps are unique over all tables, and the sequence stands at the last", () => {
      const stamps = STAMPED_TABLES.map((table) => `SELECT ROWSTAMP FROM ${table}`).join(" UNION ALL ");
      const [rows, distinct, last] = db
        .prepare(`SELECT count(*), count(DISTINCT ROWSTAMP), max(ROWSTAMP) FROM (${stamps})`)
        .raw()
        .get() as number[];
      expect(distinct).toBe(rows);
      expect(db.prepare("SELECT VALUE FROM MAXSEQ").pluck().get()).toBe(last);
    });
  });

  test("scale and counts multiply rows", () => {
    const db = memoryPlant({ scale: 0.01, counts: { purchaseOrders: 77 } });
    expect([count(db, "PO"), count(db, "COMPANIES")]).toEqual([77, 6]);
  });
});

describe("changes", () => {
  const nowMs = (): number => SEED_NOW_MS + 3_600_000;

  /** Rowid → whole row, table by table. */
  function snapshot(db: Database.Database): ReadonlyMap<string, ReadonlyMap<number, string>> {
    return new Map(
      PLANT_TABLES.map((table) => {
        const rows = db.prepare(`SELECT rowid, * FROM ${table}`).raw().all() as [number, ...unknown[]][];
        return [table, new Map(rows.map(([rowid, ...values]) => [rowid, JSON.stringify(values)]))];
      }),
    );
  }

  function changedTables(
    before: ReturnType<typeof snapshot>,
    after: ReturnType<typeof snapshot>,
  ): readonly string[] {
    return PLANT_TABLES.filter((table) => {
      const [old, now] = [before.get(table), after.get(table)];
      return old?.size !== now?.size || [...(now ?? [])].some(([rowid, row]) => old?.get(rowid) !== row);
    });
  }

  const PARENTS: ReadonlySet<string> = new Set(["PO", "ITEM", "ASSET", "COMPANIES"]);

  test.each(Object.keys(CHANGES) as ChangeKind[])("%s changes rows", (kind) => {
    const db = memoryPlant();
    const mutator = createMutator(db, new Random(3), nowMs);
    const before = snapshot(db);
    expect(mutator.mutate(kind)).toBe(kind);
    const tables = changedTables(before, snapshot(db));
    expect(tables.length).toBeGreaterThan(0);
    const parents = tables.filter((table) => PARENTS.has(table));
    expect(kind.endsWith("_only") ? parents : []).toEqual([]);
  });

  test("a change gets new stamps, beyond all that were given before", () => {
    const db = memoryPlant();
    const last = db.prepare("SELECT VALUE FROM MAXSEQ").pluck().get() as number;
    createMutator(db, new Random(3), nowMs).mutate("order_new");
    const lines = count(db, `POLINE WHERE ROWSTAMP > ${last}`);
    expect(lines).toBeGreaterThan(0);
    expect(count(db, `PO WHERE ROWSTAMP > ${last}`)).toBe(1);
    expect(db.prepare("SELECT VALUE FROM MAXSEQ").pluck().get()).toBe(last + 1 + lines);
    db.prepare("UPDATE POLINE SET ORDERQTY = 1 WHERE POLINEID = 1").run();
    expect(count(db, `POLINE WHERE ROWSTAMP = ${last + 2 + lines}`)).toBe(1);
  });

  test("one revision of an order is current, whatever happens", () => {
    const db = memoryPlant();
    const mutator = createMutator(db, new Random(11), nowMs);
    for (let at = 0; at < 20; at += 1) mutator.mutate("order_revised");
    for (let at = 0; at < 2_000; at += 1) mutator.mutate();
    expect(
      count(db, "(SELECT 1 FROM PO WHERE STATUS <> 'REVISD' GROUP BY SITEID, PONUM HAVING count(*) > 1)"),
    ).toBe(0);
    expect(count(db, "PO WHERE STATUS = 'REVISD'")).toBeGreaterThan(10);
    expect(
      count(
        db,
        "POLINE L WHERE NOT EXISTS (SELECT 1 FROM PO P WHERE P.PONUM = L.PONUM AND P.REVISIONNUM = L.REVISIONNUM)",
      ),
    ).toBe(0);
  });

  test("the same seed makes the same changes", () => {
    const changed = (): string => {
      const db = memoryPlant({ scale: 0.05 });
      const mutator = createMutator(db, new Random(5), nowMs);
      for (let at = 0; at < 300; at += 1) mutator.mutate();
      return content(db);
    };
    expect(changed()).toBe(changed());
  });
});

describe("the file", () => {
  test("is filled once and kept", () => {
    const file = join(directory, "kept.db");
    const db = openOrSeedPlant(file, { scale: 0.01 });
    db.prepare("DELETE FROM COMPCONTACT").run();
    db.close();
    const again = openOrSeedPlant(file, { scale: 0.01 });
    expect(count(again, "COMPCONTACT")).toBe(0);
    expect(again.pragma("journal_mode", { simple: true })).toBe("wal");
    again.close();
  });

  test("a process keeps changing it, reports, and stops when told", async () => {
    const file = join(directory, "process.db");
    const child = fork(join(import.meta.dirname, "plant-database.ts"), [
      "--file",
      file,
      "--rate",
      "200",
      "--scale",
      "0.02",
    ]);
    const messages: PlantMessage[] = [];
    child.on("message", (message: PlantMessage) => messages.push(message));
    const exited = once(child, "exit");
    const changes = (): number =>
      messages.reduce((most, message) => (message.type === "changed" ? message.total : most), 0);
    await vi.waitFor(() => expect(changes()).toBeGreaterThan(0), { timeout: 20_000 });
    child.disconnect();
    expect((await exited)[0]).toBe(0);
    expect(messages[0]).toEqual({ type: "ready", file });
    const db = openPlant(file);
    expect(db.pragma("integrity_check", { simple: true })).toBe("ok");
    db.close();
  });

  test("a wrong call says how to call it", async () => {
    const child = fork(join(import.meta.dirname, "plant-database.ts"), ["--rate", "many"], { silent: true });
    const [said] = (await once(child.stderr ?? process.stdin, "data")) as [Buffer];
    expect(String(said)).toContain("usage:");
    if (child.exitCode === null) await once(child, "exit");
    expect(child.exitCode).toBe(2);
  });
});
