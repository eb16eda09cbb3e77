// The thread that copies the write-ahead log into the store's file.
import { existsSync } from "node:fs";
import Database from "better-sqlite3";
import { expect, it } from "vitest";
import { Checkpointer } from "#relay/store/sqlite/checkpointer.ts";
import { until } from "#test/support/until.ts";
import { openTemporary, temporaryPath } from "./temporary-store.ts";

it("copies what a writer has committed, and leaves the file whole when it ends", async () => {
  const path = temporaryPath();
  const db = new Database(path);
  db.pragma("journal_mode = WAL");
  db.pragma("wal_autocheckpoint = 0");
  db.exec("CREATE TABLE t (a)");
  const checkpointer = new Checkpointer({ path, everyMs: 5, fromPages: 20, busyTimeoutMs: 5_000 });
  for (let row = 0; row < 50; row += 1) db.exec("INSERT INTO t VALUES (randomblob(5000))");
  await until("pages copied", () => {
    const [state] = db.pragma("wal_checkpoint(NOOP)") as readonly { checkpointed: number }[];
    return (state?.checkpointed ?? 0) > 50;
  });
  await checkpointer[Symbol.asyncDispose]();
  expect(db.pragma("integrity_check", { simple: true })).toBe("ok");
  db.close();
  expect(existsSync(`${path}-wal`)).toBe(false);
});

it("goes with the store that it belongs to", async () => {
  const path = temporaryPath();
  const store = await openTemporary({ path, checkpointThread: true });
  await store.directory.createWorkspace({ id: "ws", name: "one", createdAtMs: 1 });
  await store[Symbol.asyncDispose]();
  expect(existsSync(`${path}-wal`)).toBe(false);
});
