// Oracle's looks into the past: AS OF, VERSIONS BETWEEN, and which change number a time had.
import type { Flashback } from "./ast.ts";
import { dateTimeText, clockOfMs, parseWallClock, toUtc } from "./date-text.ts";
import { NUMBER } from "./function-kit.ts";
import { offsetOfServer } from "./oracle-zones.ts";
import type { Row, RowRecord, RowVersion } from "./rows.ts";
import type { FlashbackSource, Run, VirtualTable } from "./run.ts";
import { DatabaseError, type DbType, type DbValue } from "./session.ts";
import { rowIdText } from "./row-id.ts";
import type { Table } from "./table.ts";

/** Older times are not known to the database any more. */
const KNOWN_PAST_MS = 5 * 86_400_000;

const TOO_OLD = 'ORA-01555: snapshot too old: rollback segment number 9 with name "_SYSSMU9$" too small';

/** The last commit at or before a UTC time. @throws DatabaseError ORA-08180 */
export function commitAt(utc: string, run: Run): number {
  const clock = parseWallClock(utc)!;
  const ms = clock.seconds * 1000 + clock.nanos / 1e6;
  const { storage } = run.host;
  if (ms < storage.nowMs() - KNOWN_PAST_MS || ms > storage.nowMs() + 60_000) {
    throw new DatabaseError(8180, "ORA-08180: no snapshot found based on specified time");
  }
  const found = storage.commitTimes.findLast(([, atMs]) => atMs <= ms)?.[0];
  const first = storage.commitTimes[0]?.[0];
  return found ?? (first === undefined ? storage.commitClock : first - 1);
}

export function flashbackSource(
  table: Table,
  flashback: Flashback,
  bounds: readonly DbValue[],
  run: Run,
): FlashbackSource {
  const [from, to] = bounds;
  const { storage } = run.host;
  if (flashback.kind === "as_of") {
    const commit = pointOf(from!, flashback.by, run);
    check(commit, table, run);
    return { kind: "view", view: { commit, transaction: undefined, mode: "snapshot" } };
  }
  const low =
    flashback.from === "minvalue"
      ? Math.max(storage.oldestKept, table.definedAt)
      : pointOf(from!, flashback.by, run);
  const high = flashback.to === "maxvalue" ? run.view.commit : pointOf(to!, flashback.by, run);
  if (low < storage.oldestKept)
    throw new DatabaseError(30_052, "ORA-30052: invalid lower limit snapshot expression");
  check(low, table, run);
  check(high, table, run);
  return { kind: "virtual", virtual: versionsBetween(table, low, Math.min(high, run.view.commit), run) };
}

function pointOf(value: DbValue, by: "SCN" | "TIMESTAMP", run: Run): number {
  if (value === null)
    throw new DatabaseError(8181, "ORA-08181: specified number is not a valid system change number");
  if (by === "SCN") return Number(value);
  const clock = parseWallClock(String(value))!;
  return commitAt(dateTimeText(toUtc(clock, offsetOfServer(run)), 9), run);
}

function check(commit: number, table: Table, run: Run): void {
  const { storage } = run.host;
  if (!Number.isFinite(commit) || commit < 0 || commit > storage.commitClock) {
    throw new DatabaseError(8181, "ORA-08181: specified number is not a valid system change number");
  }
  if (commit < storage.oldestKept) throw new DatabaseError(1555, TOO_OLD);
  if (commit < table.definedAt) {
    throw new DatabaseError(1466, "ORA-01466: unable to read data - table definition has changed");
  }
}

const VERSION_COLUMNS: readonly (readonly [string, DbType])[] = [
  ["VERSIONS_STARTSCN", NUMBER],
  ["VERSIONS_ENDSCN", NUMBER],
  ["VERSIONS_STARTTIME", { kind: "timestamp", scale: 0, zone: "none" }],
  ["VERSIONS_ENDTIME", { kind: "timestamp", scale: 0, zone: "none" }],
  ["VERSIONS_OPERATION", { kind: "varchar", length: 1 }],
  ["VERSIONS_XID", { kind: "raw", length: 8 }],
  ["ROWID", { kind: "rowid" }],
  ["ORA_ROWSCN", NUMBER],
];

interface Life {
  readonly version: RowVersion;
  readonly start: number;
  readonly end: number | undefined;
  readonly operation: "I" | "U" | "D";
  readonly values: Row;
}

function versionsBetween(table: Table, low: number, high: number, run: Run): VirtualTable {
  const added = VERSION_COLUMNS.map(([name, type]) => ({ name, type, isNullable: true }));
  return {
    columns: [...table.columns, ...added],
    *rows() {
      for (const record of table.records()) {
        for (const life of livesOf(record)) {
          const isSeen =
            life.start <= high &&
            (life.end === undefined || life.end > low) &&
            !(life.operation === "D" && life.start < low);
          if (isSeen) yield rowOf(life, table, record, low, high, run);
        }
      }
    },
  };
}

/** Committed versions, oldest first; of several by one transaction the last. */
function livesOf(record: RowRecord): readonly Life[] {
  const states: RowVersion[] = [];
  for (const version of record.versions) {
    if (version.commit !== undefined && states.at(-1)?.commit !== version.commit) states.push(version);
  }
  states.reverse();
  const lives: Life[] = [];
  for (const [at, version] of states.entries()) {
    const before = states[at - 1];
    const end = states[at + 1]?.commit;
    const start = version.commit!;
    if (version.values !== undefined) {
      const operation = before?.values === undefined ? "I" : "U";
      lives.push({ version, start, end, operation, values: version.values });
    } else if (before?.values !== undefined) {
      lives.push({ version, start, end, operation: "D", values: before.values });
    }
  }
  return lives;
}

function rowOf(life: Life, table: Table, record: RowRecord, low: number, high: number, run: Run): Row {
  const { start, end, operation, values, version } = life;
  const isStartSeen = start >= low;
  const isEndSeen = end !== undefined && end <= high && operation !== "D";
  const time = (commit: number): string | null => {
    const found = run.host.storage.commitTimes.find(([one]) => one === commit);
    return found === undefined ? null : dateTimeText(clockOfMs(found[1]), 0);
  };
  const xid = Buffer.alloc(8);
  xid.writeUInt32BE(version.writer.id, 4);
  return [
    ...values,
    isStartSeen ? String(start) : null,
    isEndSeen ? String(end) : null,
    isStartSeen ? time(start) : null,
    isEndSeen ? time(end) : null,
    isStartSeen ? operation : null,
    isStartSeen ? new Uint8Array(xid) : null,
    rowIdText(table, record),
    String(start),
  ];
}
