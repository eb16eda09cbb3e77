// Writes that share a commit, each with its own success or failure.
import Database from "better-sqlite3";
import { afterEach, expect, it } from "vitest";
import { WriteQueue } from "#relay/store/sqlite/write-queue.ts";
import { temporaryPath } from "./temporary-store.ts";

const opened: Database.Database[] = [];
afterEach(() => {
  for (const db of opened.splice(0)) db.close();
});

function open() {
  const path = temporaryPath();
  const statements: string[] = [];
  const db = new Database(path, { verbose: (sql) => statements.push(String(sql)) });
  opened.push(db);
  db.exec("CREATE TABLE t (a INTEGER NOT NULL)");
  let rollbacks = 0;
  let told = 0;
  const queue = new WriteQueue({
    db,
    path,
    translate: (error) => error,
    onRollback: () => {
      rollbacks += 1;
    },
    onCommit: () => {
      told += 1;
    },
  });
  return {
    queue,
    db,
    insert: (value: number | null) => queue.run(() => db.prepare("INSERT INTO t VALUES (?)").run(value)),
    rows: () => db.prepare("SELECT a FROM t ORDER BY a").pluck().all(),
    commits: () => statements.filter((sql) => sql === "COMMIT").length,
    rollbacks: () => rollbacks,
    told: () => told,
  };
}

it("says each commit before whoever waited for it goes on", async () => {
  const { insert, commits, told } = open();
  expect(await Promise.all([insert(1).then(told), insert(2).then(told)])).toEqual([1, 1]);
  await insert(null).catch(() => {});
  await insert(3);
  expect(told()).toBe(commits());
});

it("commits together what waits together, each on its own success", async () => {
  const { insert, rows, commits, rollbacks } = open();
  const outcomes = await Promise.allSettled([1, null, 2, 3].map((value) => insert(value)));
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled"]);
  expect(rows()).toEqual([1, 2, 3]);
  expect(commits()).toBe(1);
  expect(rollbacks()).toBe(1);
});

it("fails who shared a transaction that SQLite gave up, and tries again who had not begun", async () => {
  const { queue, db, insert, rows } = open();
  const shared = insert(1);
  const givenUp = queue.run(() => {
    // As SQLite does by itself on some errors (sqlite.org/lang_transaction.html, section 3).
    db.exec("ROLLBACK");
    throw new Error("given up");
  });
  const outcomes = await Promise.allSettled([shared, givenUp, insert(2)]);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
  expect(rows()).toEqual([2]);
});

it("resolves nobody before the commit", async () => {
  const { queue, db } = open();
  const states: boolean[] = [];
  const watched = queue.run(() => 1).then(() => states.push(db.inTransaction));
  const slow = queue.run(() => new Promise((resolve) => setImmediate(resolve)));
  await Promise.all([watched, slow]);
  expect(states).toEqual([false]);
});

it("fails all who shared a commit that fails", async () => {
  const { queue, db, rows, insert } = open();
  db.exec("CREATE TABLE parents (id INTEGER PRIMARY KEY)");
  db.exec("CREATE TABLE children (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)");
  db.pragma("foreign_keys = ON");
  const orphan = queue.run(() => db.exec("INSERT INTO children VALUES (1)"));
  const outcomes = await Promise.allSettled([insert(1), orphan]);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(rows()).toEqual([]);
  await insert(2);
  expect(rows()).toEqual([2]);
});

it("finishes what it accepted when it is closed, and accepts nothing more", async () => {
  const { queue, insert, rows } = open();
  const accepted = insert(1);
  await queue.close();
  await accepted;
  await expect(insert(2)).rejects.toThrow(/closed/);
  expect(rows()).toEqual([1]);
});

it("lets long work know that others wait, and takes them into its commit", async () => {
  const { queue, db, insert, commits } = open();
  const order: string[] = [];
  const long = queue.run(async () => {
    expect(await queue.pause()).toBe(false);
    const other = insert(2).then(() => order.push("other"));
    while (!(await queue.pause())) expect(db.inTransaction).toBe(true);
    order.push("long gives way");
    return { other };
  });
  const { other } = await long;
  order.push("long");
  await other;
  expect(order).toEqual(["long gives way", "long", "other"]);
  expect(commits()).toBe(1);
});
