// Opens the demo plant's database: many readers beside one writer, as a real plant's would be.
import Database from "better-sqlite3";
import { createCommandLog } from "./command-log.ts";
import { createPlantIndexes, createPlantTables } from "./schema.ts";
import { seedPlant, type SeedOptions } from "./seed.ts";

/** How long a write waits for another writer, ms. */
const BUSY_TIMEOUT_MS = 10_000;

export function openPlant(file: string): Database.Database {
  const db = new Database(file);
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = NORMAL");
  db.pragma(`busy_timeout = ${BUSY_TIMEOUT_MS}`);
  return db;
}

/** Opens the plant, and builds and fills it first if the file is new. A fill that was cut short starts again. */
export function openOrSeedPlant(file: string, options: SeedOptions): Database.Database {
  const db = openPlant(file);
  // Tables, rows and indexes come in one transaction: a file either has all of it or nothing.
  if (!hasTables(db)) fillPlant(db, options);
  createCommandLog(db);
  return db;
}

export function fillPlant(db: Database.Database, options: SeedOptions): void {
  db.transaction(() => {
    createPlantTables(db);
    seedPlant(db, options);
    createPlantIndexes(db);
  }).immediate();
  db.pragma("wal_checkpoint(TRUNCATE)");
}

function hasTables(db: Database.Database): boolean {
  return db.prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'PO'").pluck().get() === 1;
}
