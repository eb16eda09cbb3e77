// Writes telemetry samples and the last value of every point.
import type Database from "better-sqlite3";
import type { NewSample } from "../../core/store.ts";
import { microsOf, NO_TIME_US, valueColumn } from "./columns.ts";
import type { Surrogates } from "./surrogates.ts";

/** Points whose numbers are kept in memory; beyond this the cache starts anew. */
const MAX_CACHED_POINTS = 200_000;

type SampleColumns = readonly [
  pointNo: number,
  atMicros: number,
  serverMicros: number,
  isSourced: 0 | 1,
  isBackfilled: 0 | 1,
  status: number,
  value: number | string | null,
];

export class SampleWriter {
  readonly #surrogates: Surrogates;
  readonly #findPoint: Database.Statement<[number, string], number>;
  readonly #addPoint: Database.Statement<[number, string]>;
  readonly #insert: Database.Statement<[...SampleColumns]>;
  readonly #putLast: Database.Statement<[...SampleColumns]>;
  readonly #points = new Map<number, Map<string, number>>();
  #cached = 0;

  constructor(db: Database.Database, surrogates: Surrogates) {
    this.#surrogates = surrogates;
    this.#findPoint = db
      .prepare<[number, string], number>("SELECT point_no FROM points WHERE connection_no = ? AND key = ?")
      .pluck();
    this.#addPoint = db.prepare("INSERT INTO points (connection_no, key) VALUES (?, ?)");
    this.#insert = db.prepare("INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?, ?, ?, ?)");
    this.#putLast = db.prepare(
      `INSERT INTO last_samples VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (point_no) DO UPDATE SET at_us = excluded.at_us, server_us = excluded.server_us,
         sourced = excluded.sourced, backfilled = excluded.backfilled, status = excluded.status, value = excluded.value
       WHERE (excluded.at_us, excluded.server_us) >= (at_us, server_us)`,
    );
  }

  forget(): void {
    this.#points.clear();
    this.#cached = 0;
  }

  put(connectionId: string, samples: readonly NewSample[]): void {
    const { connectionNo } = this.#surrogates.connection(connectionId);
    const newest = new Map<number, SampleColumns>();
    for (const sample of samples) {
      const columns = sampleColumns(this.#point(connectionNo, sample.pointKey), sample);
      this.#insert.run(...columns);
      const last = newest.get(columns[0]);
      if (last === undefined || isAtLeast(columns, last)) newest.set(columns[0], columns);
    }
    for (const columns of newest.values()) this.#putLast.run(...columns);
  }

  #point(connectionNo: number, key: string): number {
    let points = this.#points.get(connectionNo);
    const found = points?.get(key);
    if (found !== undefined) return found;
    if (this.#cached >= MAX_CACHED_POINTS) {
      this.forget();
      points = undefined;
    }
    if (points === undefined) this.#points.set(connectionNo, (points = new Map()));
    const pointNo =
      this.#findPoint.get(connectionNo, key) ?? Number(this.#addPoint.run(connectionNo, key).lastInsertRowid);
    points.set(key, pointNo);
    this.#cached += 1;
    return pointNo;
  }
}

/** A sample without a source time is placed by its server time. */
function sampleColumns(pointNo: number, sample: NewSample): SampleColumns {
  const { sourceMs, serverMs } = sample;
  return [
    pointNo,
    microsOf(sourceMs ?? serverMs ?? 0),
    serverMs === null ? NO_TIME_US : microsOf(serverMs),
    sourceMs === null ? 0 : 1,
    sample.backfilled ? 1 : 0,
    sample.status,
    valueColumn(sample.value),
  ];
}

function isAtLeast(columns: SampleColumns, other: SampleColumns): boolean {
  return columns[1] === other[1] ? columns[2] >= other[2] : columns[1] > other[1];
}
