// SQL Server's Change Data Capture: a job reads commits in order and keeps every row image, until clean-up.
import { virtualTable } from "./catalogue-kit.ts";
import { comparableText } from "./comparison.ts";
import { INT } from "./function-kit.ts";
import type { Row } from "./rows.ts";
import type { Run, VirtualTable } from "./run.ts";
import { DatabaseError, type DbType, type DbValue } from "./session.ts";
import type { Storage, StorageListener } from "./storage.ts";
import type { Table } from "./table.ts";
import type { Transaction, Write } from "./transaction.ts";

/** 1 delete, 2 insert, 3 update before, 4 update after. */
type CaptureOperation = 1 | 2 | 3 | 4;

interface CapturedRow {
  readonly lsn: bigint;
  readonly sequence: bigint;
  readonly operation: CaptureOperation;
  readonly mask: Uint8Array;
  readonly values: Row;
  readonly keyText: string | undefined;
  /** Snapshots before it do not see it. */
  readonly visibleFrom: number;
}

export interface CaptureInstance {
  readonly name: string;
  readonly table: Table;
  readonly objectId: number;
  readonly columns: readonly { readonly name: string; readonly type: DbType }[];
  readonly supportsNet: boolean;
  /** Lowest LSN that may be asked for. */
  minLsn: bigint;
  readonly startLsn: bigint;
  rows: CapturedRow[];
}

interface CommittedLog {
  readonly commit: number;
  readonly atMs: number;
  readonly writes: readonly Write[];
}

interface LsnTime {
  readonly lsn: bigint;
  readonly atMs: number;
  readonly visibleFrom: number;
}

export const LSN: DbType = { kind: "binary", length: 10 };
const LOG_FILE = 42n << 48n;

export function lsnBytes(lsn: bigint): Uint8Array {
  return new Uint8Array(Buffer.from(lsn.toString(16).padStart(20, "0"), "hex"));
}

export function lsnOf(value: DbValue): bigint | undefined {
  return value instanceof Uint8Array ? BigInt(`0x${Buffer.from(value).toString("hex")}`) : undefined;
}

function lsnOfCommit(commit: number): bigint {
  return LOG_FILE | (BigInt(commit) << 16n) | 1n;
}

export class DataCapture implements StorageListener {
  isOn = false;
  /** Whether the capture job (SQL Server Agent) runs; without it commits pile up in the log. */
  isJobRunning = true;
  readonly instances: CaptureInstance[] = [];
  readonly lsnTimes: LsnTime[] = [];
  readonly #pending: CommittedLog[] = [];
  readonly #storage: Storage;

  constructor(storage: Storage) {
    this.#storage = storage;
    storage.listeners.push(this);
  }

  enable(): void {
    this.isOn = true;
  }

  enableTable(
    table: Table,
    options: {
      readonly instance?: string;
      readonly columns?: readonly string[];
      readonly supportsNet?: boolean;
    } = {},
  ): CaptureInstance {
    if (!this.isOn) throw new DatabaseError(22_901, "The database is not enabled for Change Data Capture.");
    const own = this.instances.filter((instance) => instance.table === table);
    if (own.length >= 2)
      throw new DatabaseError(22_962, "Two capture instances already exist for the source table.");
    const wanted = options.columns ?? table.columns.map(({ name }) => name);
    const startLsn = lsnOfCommit(this.#storage.commitClock + 1);
    this.#storage.commitClock += 1;
    const instance: CaptureInstance = {
      name: options.instance ?? `${table.schema}_${table.name}`,
      table,
      objectId: this.#storage.nextObjectId(),
      columns: wanted.map((name) => ({ name, type: table.columns[table.place(name)]!.type })),
      supportsNet: options.supportsNet ?? table.primaryKey !== undefined,
      minLsn: startLsn,
      startLsn,
      rows: [],
    };
    this.instances.push(instance);
    return instance;
  }

  disableTable(instance: string): void {
    const at = this.instances.findIndex(({ name }) => name.toLowerCase() === instance.toLowerCase());
    if (at >= 0) this.instances.splice(at, 1);
  }

  /** What the job does in one round: everything committed so far, or the first `commits` of it. */
  capture(commits = Infinity): void {
    for (let left = commits; left > 0 && this.#pending.length > 0; left -= 1) {
      const { commit, atMs, writes } = this.#pending.shift()!;
      this.#storage.commitClock += 1;
      const visibleFrom = this.#storage.commitClock;
      this.lsnTimes.push({ lsn: lsnOfCommit(commit), atMs, visibleFrom });
      for (const [at, write] of writes.entries()) this.#captureWrite(write, commit, at, visibleFrom);
    }
  }

  /** As the clean-up job: what lies before this LSN is gone (default: everything captured). */
  cleanUp(before?: bigint): void {
    const lowest = before ?? (this.lsnTimes.at(-1)?.lsn ?? 0n) + 1n;
    for (const instance of this.instances) {
      instance.rows = instance.rows.filter((row) => row.lsn >= lowest);
      if (lowest > instance.minLsn) instance.minLsn = lowest;
    }
  }

  save(): () => void {
    const instances = this.instances.map((instance) => ({
      instance,
      minLsn: instance.minLsn,
      rows: [...instance.rows],
    }));
    const [times, pending] = [[...this.lsnTimes], [...this.#pending]];
    return () => {
      this.instances.splice(0, Infinity, ...instances.map(({ instance }) => instance));
      for (const { instance, minLsn, rows } of instances) Object.assign(instance, { minLsn, rows });
      this.lsnTimes.splice(0, Infinity, ...times);
      this.#pending.splice(0, Infinity, ...pending);
    };
  }

  checkTruncate(table: Table): void {
    if (this.instances.some((instance) => instance.table === table)) {
      throw new DatabaseError(
        4711,
        `Cannot truncate table '${table.name}' because it is published for replication or enabled for Change Data Capture.`,
      );
    }
  }

  onDrop(table: Table): void {
    for (const instance of this.instances.filter((one) => one.table === table))
      this.disableTable(instance.name);
  }

  onCommit(transaction: Transaction, commit: number): void {
    if (!this.isOn) return;
    const tables = new Set(this.instances.map(({ table }) => table));
    const writes = transaction.writes.filter(({ table }) => tables.has(table));
    // The log has every commit; those without captured rows still move the clock of the capture.
    this.#pending.push({ commit, atMs: this.#storage.nowMs(), writes });
    if (this.isJobRunning) this.capture();
  }

  #captureWrite(write: Write, commit: number, at: number, visibleFrom: number): void {
    const { table, before, after } = write;
    for (const instance of this.instances) {
      if (instance.table !== table || lsnOfCommit(commit) < instance.startLsn) continue;
      const lsn = lsnOfCommit(commit);
      const sequence = LOG_FILE | (BigInt(commit) << 16n) | BigInt(at + 2);
      const add = (operation: CaptureOperation, values: Row, changed: readonly number[]): void => {
        const keyText = keyTextOf(table, values);
        instance.rows.push({
          lsn,
          sequence,
          operation,
          mask: maskOf(instance, table, changed),
          values: imageOf(instance, table, values),
          keyText,
          visibleFrom,
        });
      };
      const all = table.columns.map((_, place) => place);
      if (before === undefined) add(2, after!, all);
      else if (after === undefined) add(1, before, all);
      else if (keyTextOf(table, before) !== keyTextOf(table, after)) {
        add(1, before, all);
        add(2, after, all);
      } else {
        const changed = all.filter((place) => !isSame(before[place]!, after[place]!));
        if (!changed.some((place) => instance.columns.some(({ name }) => table.place(name) === place)))
          continue;
        add(3, before, changed);
        add(4, after, changed);
      }
    }
  }

  find(name: string): CaptureInstance | undefined {
    return this.instances.find((instance) => instance.name.toLowerCase() === name.toLowerCase());
  }

  maxLsn(run: Run): bigint | undefined {
    return this.lsnTimes.findLast(({ visibleFrom }) => visibleFrom <= run.view.commit)?.lsn;
  }

  /** `cdc.fn_cdc_get_all_changes_…(from, to, N'all')`. @throws DatabaseError 313 for LSNs out of reach, when rows are read */
  allChanges(instance: CaptureInstance, args: readonly DbValue[], run: Run): VirtualTable {
    const [from, to] = [lsnOf(args[0] ?? null), lsnOf(args[1] ?? null)];
    const filter = String(args[2] ?? "all").toLowerCase();
    return virtualTable(changeColumns(instance), () => {
      this.#checkReach("all", instance, from, to, run);
      return instance.rows
        .filter(
          (row) => row.lsn >= from! && row.lsn <= to! && (row.operation !== 3 || filter === "all update old"),
        )
        .filter((row) => row.visibleFrom <= run.view.commit)
        .map((row) => recordOf(instance, row));
    });
  }

  /** `cdc.fn_cdc_get_net_changes_…`: one row a key. */
  netChanges(instance: CaptureInstance, args: readonly DbValue[], run: Run): VirtualTable {
    const [from, to] = [lsnOf(args[0] ?? null), lsnOf(args[1] ?? null)];
    return virtualTable(changeColumns(instance), () => {
      this.#checkReach("net", instance, from, to, run);
      const net = new Map<string, { first: CapturedRow; last: CapturedRow }>();
      for (const row of instance.rows) {
        if (row.lsn < from! || row.lsn > to! || row.operation === 3 || row.visibleFrom > run.view.commit)
          continue;
        const known = net.get(row.keyText ?? "");
        net.set(row.keyText ?? "", { first: known?.first ?? row, last: row });
      }
      return [...net.values()]
        .filter(({ first, last }) => first.operation !== 2 || last.operation !== 1)
        .map(({ first, last }) => {
          const operation = last.operation === 1 ? 1 : first.operation === 2 ? 2 : 4;
          return Object.assign({}, recordOf(instance, last), { __$operation: operation });
        });
    });
  }

  /** The change table itself: `cdc.<instance>_CT`. */
  changeTable(instance: CaptureInstance, run: Run): VirtualTable {
    return virtualTable(changeColumns(instance), () =>
      instance.rows.filter((row) => row.visibleFrom <= run.view.commit).map((row) => recordOf(instance, row)),
    );
  }

  #checkReach(
    kind: string,
    instance: CaptureInstance,
    from: bigint | undefined,
    to: bigint | undefined,
    run: Run,
  ): void {
    const max = this.maxLsn(run);
    const isWithin =
      from !== undefined &&
      to !== undefined &&
      max !== undefined &&
      from >= instance.minLsn &&
      to <= max &&
      from <= to;
    if (isWithin) return;
    throw new DatabaseError(
      313,
      `An insufficient number of arguments were supplied for the procedure or function cdc.fn_cdc_get_${kind}_changes_${instance.name}.`,
    );
  }
}

function keyTextOf(table: Table, values: Row): string | undefined {
  const index = table.primaryKey;
  return index === undefined
    ? undefined
    : comparableText(table.keyOf(index, values).slice(0, index.definition.columns.length));
}

/** Captured columns that the table no longer has are null. */
function imageOf(instance: CaptureInstance, table: Table, values: Row): Row {
  return instance.columns.map(({ name }) => {
    const place = table.place(name);
    return place < 0 ? null : values[place]!;
  });
}

function maskOf(instance: CaptureInstance, table: Table, changed: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(Math.max(1, Math.ceil(instance.columns.length / 8)));
  for (const [at, { name }] of instance.columns.entries()) {
    if (!changed.includes(table.place(name))) continue;
    const byte = bytes.length - 1 - Math.floor(at / 8);
    bytes[byte] = bytes[byte]! | (1 << (at % 8));
  }
  return bytes;
}

function isSame(left: DbValue, right: DbValue): boolean {
  if (left instanceof Uint8Array && right instanceof Uint8Array) return Buffer.compare(left, right) === 0;
  return left === right;
}

function recordOf(instance: CaptureInstance, row: CapturedRow): Readonly<Record<string, DbValue>> {
  const record: Record<string, DbValue> = {
    __$start_lsn: lsnBytes(row.lsn),
    __$end_lsn: null,
    __$seqval: lsnBytes(row.sequence),
    __$operation: row.operation,
    __$update_mask: row.mask,
  };
  for (const [at, { name }] of instance.columns.entries()) record[name] = row.values[at]!;
  return record;
}

function changeColumns(instance: CaptureInstance): Readonly<Record<string, DbType>> {
  const columns: Record<string, DbType> = {
    __$start_lsn: LSN,
    __$end_lsn: LSN,
    __$seqval: LSN,
    __$operation: INT,
    __$update_mask: { kind: "varbinary", length: 128 },
  };
  // A rowversion is captured as its bytes.
  for (const { name, type } of instance.columns)
    columns[name] = type.kind === "rowversion" ? { kind: "binary", length: 8 } : type;
  return columns;
}
