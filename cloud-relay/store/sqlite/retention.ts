// Removes old events, samples and runs in steps that are short enough not to hold up ingest.
import type Database from "better-sqlite3";
import { microsOf } from "./columns.ts";
import { Removal } from "./removal.ts";

/** Rows of one kind that one step removes at most. */
export const PRUNE_ROWS = 5_000;
/** Telemetry points that one step looks at. */
export const PRUNE_POINTS = 2_000;

export interface PruneBefore {
  readonly eventsMs: number;
  readonly samplesMs: number;
  readonly versionsMs?: number;
}

export class Retention {
  readonly #oldEvents: Database.Statement<[number, number], { workspaceNo: number; position: number }>;
  readonly #removeEvents: Database.Statement<[number]>;
  readonly #trimmed: Database.Statement<[number, number]>;
  readonly #points: Database.Statement<[number, number], number>;
  readonly #removeSamples: Database.Statement<[number, number, number, number]>;
  readonly #removeRuns: Database.Statement<[number, number]>;
  readonly #removeVersions: Database.Statement<[number, number]>;
  /** Where the walk over the points goes on. */
  #afterPoint = 0;

  readonly #removal: Removal;

  constructor(db: Database.Database) {
    this.#removal = new Removal(db, PRUNE_ROWS);
    this.#oldEvents = db.prepare(
      `SELECT f.workspace_no AS workspaceNo, e.position FROM events e JOIN feeds f USING (feed_no)
       WHERE e.position < ? ORDER BY e.position LIMIT ?`,
    );
    this.#removeEvents = db.prepare("DELETE FROM events WHERE position <= ?");
    this.#trimmed = db.prepare(
      "UPDATE workspaces SET trimmed_to = max(trimmed_to, ?) WHERE workspace_no = ?",
    );
    this.#points = db
      .prepare<[number, number], number>(
        "SELECT point_no FROM points WHERE point_no > ? ORDER BY point_no LIMIT ?",
      )
      .pluck();
    this.#removeSamples = db.prepare(
      `DELETE FROM samples WHERE point_no = ? AND at_us < ? AND (point_no, at_us, server_us, sourced) IN
       (SELECT point_no, at_us, server_us, sourced FROM samples WHERE point_no = ? ORDER BY at_us LIMIT ?)`,
    );
    this.#removeVersions = db.prepare(
      `DELETE FROM versions WHERE until_revision IN (SELECT until_revision FROM versions WHERE until_revision < ?
       ORDER BY until_revision LIMIT ?)`,
    );
    this.#removeRuns = db.prepare(
      `DELETE FROM sync_runs WHERE run_no IN (SELECT r.run_no FROM sync_runs r
       WHERE coalesce(r.ended_ms, r.started_ms) < ? AND EXISTS (SELECT 1 FROM sync_runs later
         WHERE later.connection_no = r.connection_no AND later.entity = r.entity
         AND (later.started_ms, later.run_no) > (r.started_ms, r.run_no)) LIMIT ?)`,
    );
  }

  /** One step, inside a transaction of the caller's. True when there is more to do. */
  step({ eventsMs, samplesMs, versionsMs }: PruneBefore): boolean {
    const moreEvents = this.#pruneEvents(microsOf(eventsMs));
    const moreSamples = this.#pruneSamples(microsOf(samplesMs));
    const moreRuns = this.#removeRuns.run(eventsMs, PRUNE_ROWS).changes === PRUNE_ROWS;
    const moreVersions = versionsMs !== undefined && this.#pruneVersions(microsOf(versionsMs));
    return this.#removal.step() || moreEvents || moreSamples || moreRuns || moreVersions;
  }

  #pruneEvents(before: number): boolean {
    const old = this.#oldEvents.all(before, PRUNE_ROWS);
    const last = old.at(-1);
    if (last === undefined) return false;
    const trimmed = new Map(old.map(({ workspaceNo, position }) => [workspaceNo, position]));
    this.#removeEvents.run(last.position);
    for (const [workspaceNo, position] of trimmed) this.#trimmed.run(position, workspaceNo);
    return old.length === PRUNE_ROWS;
  }

  #pruneVersions(before: number): boolean {
    return this.#removeVersions.run(before, PRUNE_ROWS).changes === PRUNE_ROWS;
  }

  #pruneSamples(before: number): boolean {
    let budget = PRUNE_ROWS;
    const points = this.#points.all(this.#afterPoint, PRUNE_POINTS);
    for (const pointNo of points) {
      budget -= this.#removeSamples.run(pointNo, before, pointNo, budget).changes;
      if (budget <= 0) return true;
      this.#afterPoint = pointNo;
    }
    const isRoundOver = points.length < PRUNE_POINTS;
    if (isRoundOver) this.#afterPoint = 0;
    return !isRoundOver;
  }
}
