// One flipped byte in each page of a room file and in each frame of its WAL, one at a time: never silent, never a crash.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RoomStore, StoredBatch } from "#agent/core/room/room-store.ts";
import type { OpenedFile } from "#agent/outbox/room-files.ts";
import { PAGE_BYTES } from "#agent/outbox/room-schema.ts";
import {
  WAL_FRAME_BYTES,
  bodyOf,
  contentOf,
  copySpecimen,
  gapIn,
  makeSpecimen,
  ownersOf,
  seeded,
  testFiles,
  walFrameAt,
  walFrames,
} from "./room-files-support.ts";
import type { Specimen } from "./room-files-support.ts";

/** A row's own bytes around its blob: cell head, record header, id, counters before; checksum and link behind. */
const ROW_MARGIN_BYTES = 44;
const SEED = Number(process.env["MILLRACE_SEED"] ?? 1);

let root: string;
let specimen: Specimen;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "millrace-flip-"));
  specimen = await makeSpecimen(join(root, "specimen"));
});
afterAll(() => rmSync(root, { recursive: true }));

type Outcome = "harmless" | "repaired" | "repaired with a loss";

/** Damages one byte, starts the room as after a restart, and judges what came of it. */
async function tryFlip(part: "db" | "wal", offset: number, mask: number): Promise<Outcome> {
  const dir = join(root, "case");
  copySpecimen(specimen, dir);
  const bytes = Buffer.from(specimen[part]);
  bytes[offset] = (bytes[offset] ?? 0) ^ mask;
  writeFileSync(join(dir, part === "db" ? specimen.name : `${specimen.name}-wal`), bytes);
  const files = testFiles(dir, seeded(offset));
  try {
    const room = await files.open();
    return room.reason === "resumed"
      ? judgeResumed(room.store)
      : judgeRepaired(room, dir, ownersOf(specimen, part, offset, ROW_MARGIN_BYTES));
  } finally {
    files.close();
    rmSync(dir, { recursive: true });
  }
}

function judgeResumed(store: RoomStore): Outcome {
  expect(contentOf(store)).toEqual(specimen.content);
  return "harmless";
}

/** Every batch is there in its order, but for one at most: one that the byte belongs to. */
function judgeRepaired(room: OpenedFile, dir: string, owners: readonly StoredBatch[]): Outcome {
  expect(room.reason).toBe("corruption");
  const batches = room.store.read(1, 1e9);
  const [before, after] = specimen.replaced;
  const saved = batches
    .slice(0, -1)
    .filter(({ entries, blob }) => entries > 0 || blob.length > 0)
    .map((batch) => bodyOf(batch))
    .map((body) => (body === before ? after : body));
  const lost = specimen.unacknowledged.filter((batch) => !saved.includes(bodyOf(batch)));
  const kept = specimen.unacknowledged.filter((batch) => !lost.includes(batch));
  expect(saved).toEqual(kept.map((batch) => bodyOf(batch)));
  expect(gapIn(batches.at(-1))).toMatchObject({ saved: saved.length, lost: lost.length });
  expect(owners).toEqual(expect.arrayContaining(lost));
  expect(lost.length).toBeLessThanOrEqual(1);
  expect(room.store.cursor("vendor/incremental")).toBeUndefined();
  expect(room.store.countKnown("vendor")).toBe(0);
  expect(readdirSync(dir).filter((name) => name.endsWith(".db"))).toHaveLength(1);
  return lost.length === 0 ? "repaired" : "repaired with a loss";
}

async function tryEach(
  part: "db" | "wal",
  count: number,
  placeOf: (index: number) => number,
): Promise<Record<Outcome, number>> {
  const random = seeded(SEED);
  const seen = { harmless: 0, repaired: 0, "repaired with a loss": 0 };
  for (let index = 0; index < count; index += 1) {
    const offset = placeOf(index) + random(part === "db" ? PAGE_BYTES : WAL_FRAME_BYTES);
    const mask = 1 + random(255);
    try {
      seen[await tryFlip(part, offset, mask)] += 1;
    } catch (error) {
      throw new Error(`${part}: byte ${offset} ^ ${mask}, seed ${SEED}`, { cause: error });
    }
  }
  return seen;
}

describe("one flipped byte", () => {
  it("in each page of the file is harmless or repaired, and only the damaged batch is lost", async () => {
    const pages = specimen.db.length / PAGE_BYTES;
    expect(pages).toBeGreaterThanOrEqual(64);
    const seen = await tryEach("db", pages, (page) => page * PAGE_BYTES);
    expect(seen.repaired).toBeGreaterThan(0);
    expect(seen["repaired with a loss"]).toBeGreaterThan(0);
  });

  it("in each frame of the WAL is harmless or repaired, and no commit behind it is lost silently", async () => {
    const frames = walFrames(specimen.wal);
    expect(frames).toBeGreaterThanOrEqual(64);
    const seen = await tryEach("wal", frames, walFrameAt);
    expect(seen.repaired).toBeGreaterThan(0);
    expect(seen["repaired with a loss"]).toBeGreaterThan(0);
  });

  it("in each byte of the headers that everything depends on", async () => {
    const seen = { harmless: 0, repaired: 0, "repaired with a loss": 0 };
    for (let offset = 0; offset < 112; offset += 3) seen[await tryFlip("db", offset, 0x15)] += 1;
    for (let offset = 0; offset < 32 + 24; offset += 2) seen[await tryFlip("wal", offset, 0x15)] += 1;
    expect(seen["repaired with a loss"]).toBe(0);
    expect(seen.repaired).toBeGreaterThan(20);
  });
});
