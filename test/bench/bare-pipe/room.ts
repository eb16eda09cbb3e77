// First process of the bare pipe: reads source rows, writes JSON, compresses, commits blobs (synchronous FULL).
import { zstdCompressSync, constants } from "node:zlib";
import { setImmediate } from "node:timers/promises";
import Database from "better-sqlite3";
import { changeText, type Row } from "./record.ts";

const BATCH_ROWS = 500;
const [, , sourceFile = "", outboxFile = ""] = process.argv;
const source = new Database(sourceFile, { readonly: true });
const outbox = new Database(outboxFile);
outbox.pragma("journal_mode = WAL");
outbox.pragma("synchronous = FULL");
outbox.pragma("wal_autocheckpoint = 2000");
outbox.exec("CREATE TABLE batches (seq INTEGER PRIMARY KEY, blob BLOB)");
const insert = outbox.prepare("INSERT INTO batches (blob) VALUES (?)");
const page = source.prepare<[string, number], Row>("SELECT * FROM PO WHERE PONUM > ? ORDER BY PONUM LIMIT ?");
const changed = source.prepare<[number, number], Row>(
  "SELECT * FROM PO WHERE ROWSTAMP > ? ORDER BY ROWSTAMP, PONUM LIMIT ?",
);
let stamp = Number(source.prepare("SELECT max(ROWSTAMP) FROM PO").pluck().get());

process.on("disconnect", () => process.exit(0));
process.on("message", (pass: "snapshot" | "changes") => {
  void (pass === "snapshot" ? snapshot() : changes());
});

async function snapshot(): Promise<void> {
  for (let rows = page.all("", BATCH_ROWS); rows.length > 0;) {
    send(rows);
    await setImmediate();
    rows = page.all(String(rows.at(-1)?.["PONUM"]), BATCH_ROWS);
  }
}

async function changes(): Promise<void> {
  for (let rows = changed.all(stamp, BATCH_ROWS); rows.length > 0; rows = changed.all(stamp, BATCH_ROWS)) {
    send(rows);
    stamp = Number(rows.at(-1)?.["ROWSTAMP"]);
    await setImmediate();
  }
}

function send(rows: readonly Row[]): void {
  const text = rows.map(changeText).join("\n");
  const blob = zstdCompressSync(Buffer.from(text), { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  const { lastInsertRowid } = insert.run(blob);
  process.send?.(Number(lastInsertRowid));
}
