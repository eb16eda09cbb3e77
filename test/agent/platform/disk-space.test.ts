// Free space, own use and the ballast, on a real folder.
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { dropBallast, layBallast, measureSpace, roomBudget } from "#agent/platform/disk-space.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-space-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

describe("disk space", () => {
  it("counts the rooms' files and takes a configured total as it is", () => {
    mkdirSync(join(dir, "rooms", "one"), { recursive: true });
    writeFileSync(join(dir, "rooms", "one", "a.db"), Buffer.alloc(5000));
    writeFileSync(join(dir, "rooms", "one", "a.db-wal"), Buffer.alloc(300));
    const space = measureSpace(dir, 1_000_000);
    expect(space).toMatchObject({ usedBytes: 5300, totalBytes: 1_000_000, volumeFull: false });
    expect(space.freeDiskBytes).toBeGreaterThan(0);
    expect(roomBudget(space, 2)).toEqual({ outboxBytes: 375_000, knownBytes: 125_000, volumeFull: false });
  });

  it("lays a ballast once and gives it up", () => {
    const file = join(dir, "ballast");
    expect(layBallast(dir, 100_000)).toBe(true);
    expect(statSync(file).size).toBe(100_000);
    const { ino } = statSync(file);
    expect(layBallast(dir, 100_000)).toBe(true);
    expect(statSync(file).ino).toBe(ino);
    dropBallast(dir);
    expect(existsSync(file)).toBe(false);
    dropBallast(dir);
  });

  it("lays none that would fill the disk", () => {
    expect(layBallast(dir, Number.MAX_SAFE_INTEGER)).toBe(false);
    expect(existsSync(join(dir, "ballast.new"))).toBe(false);
  });
});
