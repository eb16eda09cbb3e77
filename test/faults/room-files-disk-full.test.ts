// A full disk under a room: by SQLite's own limit, and on a real small volume where one can be mounted.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { KnownRecord } from "#agent/core/room/room-store.ts";
import { StorageFullError } from "#agent/core/room/storage-errors.ts";
import { SqliteRoomStore } from "#agent/outbox/sqlite-room-store.ts";
import { contentOf, randomBatch, seeded, testFiles } from "./room-files-support.ts";

const SMALL_VOLUME = mountSmallVolume();

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-full-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function fill(store: SqliteRoomStore, size: number): number {
  const random = seeded(3);
  for (let commits = 0; commits < 10_000; commits += 1) {
    const before = contentOf(store);
    try {
      store.commit({
        batches: [randomBatch(random, size)],
        known: [{ entity: "vendor", records: newRecords(commits) }],
        cursors: [{ slot: "vendor/incremental", cursor: { commits } }],
      });
    } catch (error) {
      expectRolledBack(error, store, before);
      return commits;
    }
  }
  throw new Error("the volume never filled up");
}

/** New keys in each commit: the space also runs out behind a batch that was inserted already. */
function newRecords(commit: number): KnownRecord[] {
  return Array.from({ length: 40 }, (_, index) => ({
    key: `["${commit}","${index}"]`,
    hash: "",
    version: "v".repeat(60),
    seen: 1,
  }));
}

function expectRolledBack(error: unknown, store: SqliteRoomStore, before: unknown): void {
  expect(error).toBeInstanceOf(StorageFullError);
  expect(contentOf(store)).toEqual(before);
}

describe("a full disk", () => {
  it.each([300, 2000, 9000])(
    "rolls a commit with a batch of %i bytes back wholly, and goes on later",
    (size) => {
      const file = join(dir, "00112233445566ff.db");
      SqliteRoomStore.create(file, {
        epoch: "00112233445566ff",
        takenOver: [],
        reason: "created",
        life: 1,
      }).close();
      const store = SqliteRoomStore.open(file, 60);
      const commits = fill(store, size);
      expect(commits).toBeGreaterThan(3);
      expect(() => store.commit({ batches: [randomBatch(seeded(1), 200_000)] })).toThrow(/free space/);
      // Acknowledged batches go even though nothing can be added.
      store.trim(commits, commits + 1);
      store.commit({ batches: [randomBatch(seeded(1), size)] });
      expect(store.position()).toMatchObject({ firstSeq: commits + 1, nextSeq: commits + 2 });
      const content = contentOf(store);
      store.close();
      const again = SqliteRoomStore.open(file);
      expect(contentOf(again)).toEqual(content);
      again.close();
    },
  );

  it.skipIf(SMALL_VOLUME === undefined)(
    "on a real volume of 6 MiB: nothing is lost, nothing is damaged",
    async () => {
      const room = join(SMALL_VOLUME ?? dir, "room");
      mkdirSync(room);
      const ballast = join(SMALL_VOLUME ?? dir, "ballast");
      try {
        writeFileSync(ballast, Buffer.alloc(1024 * 1024));
        const files = testFiles(room, seeded(5));
        const { store } = await files.open();
        const commits = fill(store, 20_000);
        const content = contentOf(store);
        // A new epoch needs space for its file: it says so and leaves the old one as it is.
        await expect(files.startEpoch(store, randomBatch(seeded(2), 10), "reset")).rejects.toThrow(
          StorageFullError,
        );
        const reopened = await files.open();
        expect(reopened.reason).toBe("resumed");
        expect(contentOf(reopened.store)).toEqual(content);
        expect(readdirSync(room).filter((name) => name.includes(".new"))).toEqual([]);
        rmSync(ballast);
        reopened.store.trim(commits, commits + 1);
        reopened.store.commit({ batches: [randomBatch(seeded(1), 9000)] });
        expect(reopened.store.position()).toMatchObject({ firstSeq: commits + 1, nextSeq: commits + 2 });
        files.close();
        const last = await files.open();
        expect(last.reason).toBe("resumed");
        files.close();
      } finally {
        unmountSmallVolume();
      }
    },
  );
});

/** Needs root on Linux; elsewhere the test is reported as skipped. */
function mountSmallVolume(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0 || !existsSync("/proc/mounts")) {
    return undefined;
  }
  const mount = mkdtempSync(join(tmpdir(), "millrace-volume-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=6m", "none", mount], { stdio: "ignore" });
    return mount;
  } catch {
    rmSync(mount, { recursive: true });
    return undefined;
  }
}

function unmountSmallVolume(): void {
  if (SMALL_VOLUME === undefined) return;
  execFileSync("umount", ["-l", SMALL_VOLUME]);
  rmSync(SMALL_VOLUME, { recursive: true });
}
