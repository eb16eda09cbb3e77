// The plant's own table of the commands that were carried out, as docs/connectors.md has it: it makes writes exactly-once.
import type { Database } from "better-sqlite3";

export function createCommandLog(db: Database): void {
  db.exec(`CREATE TABLE IF NOT EXISTS MILLRACE_COMMANDS (
    COMMAND_ID TEXT NOT NULL PRIMARY KEY, IDEMPOTENCY_KEY TEXT, ENTITY TEXT NOT NULL, OPERATION TEXT NOT NULL, RECORD_KEY TEXT,
    RESULT TEXT
  )`);
}
