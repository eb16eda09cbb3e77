// Third process of the bare pipe: takes blobs, parses each line, upserts records, appends to a feed (synchronous FULL), acks.
import type { AddressInfo } from "node:net";
import { zstdDecompressSync } from "node:zlib";
import Database from "better-sqlite3";
import { WebSocketServer } from "ws";

interface Change {
  readonly id: string;
  readonly key: readonly string[];
  readonly record: Readonly<Record<string, unknown>>;
  readonly raw: Readonly<Record<string, unknown>>;
}

const [, , file = ""] = process.argv;
const db = new Database(file);
db.pragma("journal_mode = WAL");
db.pragma("synchronous = FULL");
db.pragma("cache_size = -65536");
db.pragma("wal_autocheckpoint = 4000");
db.exec(`CREATE TABLE records (id TEXT NOT NULL UNIQUE, connection INTEGER, revision INTEGER NOT NULL, key TEXT, text TEXT, raw TEXT);
  CREATE INDEX records_order ON records (connection, revision);
  CREATE TABLE events (position INTEGER PRIMARY KEY, connection INTEGER, type TEXT, record_id TEXT, at_ms INTEGER);
  CREATE INDEX events_feed ON events (connection);`);
const upsert = db.prepare(`INSERT INTO records VALUES (?, 1, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
  revision = excluded.revision, key = excluded.key, text = excluded.text, raw = excluded.raw`);
const append = db.prepare("INSERT INTO events VALUES (?, 1, 'purchase_order.updated', ?, ?)");
let revision = 0;
const write = db.transaction((lines: readonly string[], nowMs: number) => {
  for (const line of lines) {
    const { id, key, record, raw } = JSON.parse(line) as Change;
    revision += 1;
    upsert.run(id, revision, JSON.stringify(key), JSON.stringify(record), JSON.stringify(raw));
    append.run(revision, id, nowMs);
  }
});

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
server.on("listening", () => process.send?.({ port: (server.address() as AddressInfo).port }));
server.on("connection", (socket) => {
  socket.on("message", (blob: Buffer) => {
    write(zstdDecompressSync(blob).toString("utf8").split("\n"), Date.now());
    socket.send("ack");
  });
});
process.on("disconnect", () => process.exit(0));
