// What a tabular connector brings to the conformance suite: a source of its own kind, and ways to break it.
import type { Connector, Cursor, Pass, SourceKey, SourceRow } from "#agent/core/source/connector.ts";
import { canonicalKey } from "#agent/core/source/key-rules.ts";
import type { EntityPlan, SourceValue } from "#agent/core/source/plan.ts";
import type { Clock } from "#common/runtime/clock.ts";

/** Type names of the source's own dialect. */
export interface SourceTypes {
  readonly integer: string;
  readonly bigint: string;
  readonly text: string;
  readonly quantity: string;
  /** UTC instant, written as `'2026-01-01T00:00:00.000Z'` or as `timestampLiteral` says. */
  readonly timestamp: string;
  /** Wall-clock time without zone. */
  readonly localTimestamp: string;
  readonly date: string;
}

/** One value written as SQL and what must come out. */
export interface ExactCase {
  readonly name: string;
  readonly type: string;
  readonly literal: string;
  readonly expected: SourceValue;
}

/** A key column's type with keys that the source holds equal or different. */
export interface KeyCase {
  readonly type: string;
  readonly same: readonly (readonly [string, string])[];
  readonly different: readonly (readonly [string, string])[];
}

export interface ConnectorOptions {
  readonly clock?: Clock;
  readonly timeZone?: string;
  readonly wrongPassword?: boolean;
  /** The connector may write, with or without a command log. */
  readonly write?: { readonly commandLog?: string };
}

export interface SourceUnderTest extends AsyncDisposable {
  /** Writes as the plant's own program does; statements end with `;`. */
  sql(statements: string): Promise<void>;
  /** Rows as arrays of text, ordered by the statement. */
  rows(query: string): Promise<readonly (readonly (string | null)[])[]>;
  /** Not yet opened; the suite disposes of it. */
  connector(plans: readonly EntityPlan[], options?: ConnectorOptions): Connector;
  /** The source is away until `back`. */
  gone(): Promise<void>;
  back(): Promise<void>;
  /** Takes the right to read a table away, where the source has rights. */
  readonly revoke?: (table: string) => Promise<void>;
  /** Blocks reads of a table, where a reader can be blocked. */
  readonly block?: (table: string) => Promise<Block>;
  /** Runs statements in a transaction that stays open until `release` commits it, where writers wait for each other. */
  readonly hold?: (statements: string) => Promise<Block>;
  /** The connector's next commit loses its connection: before the source has seen it, or before the answer arrives. */
  readonly loseCommit?: (when: "before" | "after") => void;
}

export interface Block {
  /** Whether a reader waits for it now. */
  isWaitedFor(): Promise<boolean>;
  release(): Promise<void>;
}

export interface ConnectorHarness {
  readonly name: string;
  readonly types: SourceTypes;
  readonly exactCases: readonly ExactCase[];
  readonly keyCases: readonly KeyCase[];
  /** Whether the source checks passwords. */
  readonly hasPasswords: boolean;
  /** Whether an idle poll of a timestamp marker gives nothing at once; otherwise after the overlap. */
  readonly isQuietAtOnce: boolean;
  /** Changes come from a feed of the source's own, whatever the plan's marker: then markers that went back mean nothing. */
  readonly hasFeed?: boolean;
  /** A table's name as the connector's user must write it; absent: as it is. */
  readonly tableName?: (table: string) => string;
  /** For connectors that can write. */
  readonly writes?: WriteHarness;
  /** An empty source. */
  create(): Promise<SourceUnderTest>;
}

export interface WriteHarness {
  /** Lets the connector's user write to every table that there is. */
  readonly grants: string;
  /** Creates `set_status(site, num, state)`, which gives (code, message) and refuses the state NO, where there are procedures. */
  readonly procedure?: string;
  /** Makes a table whose one row refers to the order PO-1, where the source holds on to what is referred to. */
  readonly reference?: string;
  /** The name of the text type that takes anything. */
  readonly longText: string;
  /** Writers of one row wait for each other at the source (`hold`), whose connection can be cut (`loseCommit`). */
  readonly isServer: boolean;
}

/** Purchase orders with lines: composite key, child table, both markers on both. */
export function orderTables(types: SourceTypes): string {
  const { integer, text, quantity, timestamp, bigint } = types;
  return `
    CREATE TABLE po (site ${text} NOT NULL, ponum ${text} NOT NULL, status ${text}, total ${quantity},
      changed ${timestamp}, stamp ${bigint}, PRIMARY KEY (site, ponum));
    CREATE TABLE poline (site ${text} NOT NULL, ponum ${text} NOT NULL, line ${integer} NOT NULL, item ${text},
      qty ${quantity}, changed ${timestamp}, stamp ${bigint}, PRIMARY KEY (site, ponum, line));
    CREATE INDEX po_changed ON po (changed); CREATE INDEX po_stamp ON po (stamp);
    CREATE INDEX poline_changed ON poline (changed); CREATE INDEX poline_stamp ON poline (stamp);`;
}

export type MarkerKind = "timestamp" | "counter" | "full_scan";

export const OVERLAP_MS = 60_000;

export function orderPlan(kind: MarkerKind, entity = "purchase_order"): EntityPlan {
  const change =
    kind === "timestamp"
      ? ({ kind, column: "changed", format: "utc", overlapMs: OVERLAP_MS } as const)
      : kind === "counter"
        ? ({ kind, column: "stamp" } as const)
        : ({ kind } as const);
  const on = ["site", "ponum"].map((name) => ({ child: name, parent: name }));
  return {
    entity,
    table: { name: "po" },
    key: ["site", "ponum"],
    columns: ["site", "ponum", "status", "total", "changed", "stamp"],
    filters: [],
    change,
    children: [
      {
        name: "lines",
        table: { name: "poline" },
        on,
        columns: ["line", "item", "qty"],
        orderBy: ["line"],
        filters: [],
        ...(kind === "full_scan" ? {} : { change }),
      },
    ],
    versionColumn: "stamp",
  };
}

/** Writes orders and lines with markers that grow; the clock of the plant's program is the test's. */
export class OrderWriter {
  readonly #source: SourceUnderTest;
  readonly #clock: Clock;
  #stamp = 0;

  constructor(source: SourceUnderTest, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  async order(site: string, ponum: string, status: string, lines: readonly string[] = []): Promise<void> {
    const mark = this.#mark();
    const statements = [
      `DELETE FROM po WHERE site = '${site}' AND ponum = '${ponum}';`,
      `INSERT INTO po VALUES ('${site}', '${ponum}', '${status}', 12.50, ${mark});`,
    ];
    for (const [line, item] of lines.entries()) {
      statements.push(
        `INSERT INTO poline VALUES ('${site}', '${ponum}', ${line + 1}, '${item}', 3.25, ${this.#mark()});`,
      );
    }
    await this.#source.sql(statements.join("\n"));
  }

  async status(site: string, ponum: string, status: string): Promise<void> {
    const [changed, stamp] = this.#marks();
    await this.#source.sql(
      `UPDATE po SET status = '${status}', changed = ${changed}, stamp = ${stamp} WHERE site = '${site}' AND ponum = '${ponum}';`,
    );
  }

  async line(site: string, ponum: string, line: number, item: string): Promise<void> {
    const [changed, stamp] = this.#marks();
    await this.#source.sql(
      `UPDATE poline SET item = '${item}', changed = ${changed}, stamp = ${stamp}
       WHERE site = '${site}' AND ponum = '${ponum}' AND line = ${line};`,
    );
  }

  async remove(site: string, ponum: string): Promise<void> {
    await this.#source.sql(
      `DELETE FROM poline WHERE site = '${site}' AND ponum = '${ponum}';
       DELETE FROM po WHERE site = '${site}' AND ponum = '${ponum}';`,
    );
  }

  #marks(): readonly [string, number] {
    this.#stamp += 1;
    return [`'${new Date(this.#clock.nowMs()).toISOString()}'`, this.#stamp];
  }

  #mark(): string {
    return this.#marks().join(", ");
  }
}

/** What a runner keeps of a source: records by canonical key, cursors that went through JSON. */
export class Replica {
  readonly connector: Connector;
  readonly entity: string;
  readonly records = new Map<string, SourceRow>();
  cursor: Cursor | undefined;

  constructor(connector: Connector, entity: string) {
    this.connector = connector;
    this.entity = entity;
  }

  /** One whole pass; returns its rows. */
  async pass(pass: Pass, options: PassOptions = {}): Promise<readonly SourceRow[]> {
    const rows: SourceRow[] = [];
    const after = pass === "incremental" ? this.cursor : options.after;
    for await (const batch of readPass(this.connector, this.entity, pass, { ...options, after })) {
      rows.push(...batch.rows);
      if (pass === "incremental") this.cursor = batch.cursor;
      if (pass !== "keys") for (const row of batch.rows) this.records.set(this.keyOf(row.key), row);
      await options.between?.();
    }
    return rows;
  }

  /** Deletes what a pass over all keys does not find. */
  async sweep(): Promise<void> {
    const found = new Set((await this.pass("keys", { maxRows: 3 })).map((row) => this.keyOf(row.key)));
    for (const key of this.records.keys()) if (!found.has(key)) this.records.delete(key);
  }

  keyOf(key: SourceKey): string {
    return canonicalKey(key, this.connector.keyRules(this.entity));
  }

  /** Sorted, to be compared with `orderRows`. */
  lines(): readonly string[] {
    return [...this.records.values()].map(orderLine).sort();
  }
}

export interface PassOptions {
  readonly after?: Cursor | undefined;
  readonly maxRows?: number;
  readonly keys?: readonly SourceKey[];
  readonly documentsFromMs?: number | undefined;
  readonly signal?: AbortSignal;
  /** Runs after each batch. */
  readonly between?: () => Promise<void>;
}

const MAX_CURSOR_BYTES = 64 * 1024;

/** The batches of a pass, with their cursors as they come back from a store. */
export async function* readPass(
  connector: Connector,
  entity: string,
  pass: Pass,
  options: PassOptions = {},
): AsyncGenerator<{ readonly rows: readonly SourceRow[]; readonly cursor: Cursor }> {
  const { after, maxRows = 5, keys, documentsFromMs, signal = new AbortController().signal } = options;
  let statements = 0;
  const asked = (): void => void (statements += 1);
  const request = {
    entity,
    pass,
    after,
    maxRows,
    documentsFromMs,
    signal,
    asked,
    ...(keys === undefined ? {} : { keys }),
  };
  for await (const batch of connector.read(request)) {
    if (batch.rows.length > 0 && statements === 0) throw new Error("rows came without a counted statement");
    if (batch.rows.length > maxRows)
      throw new Error(`a batch of ${batch.rows.length} rows, asked for ${maxRows}`);
    const text = JSON.stringify(batch.cursor);
    if (Buffer.byteLength(text) >= MAX_CURSOR_BYTES) throw new Error("the cursor is too large");
    yield { rows: batch.rows, cursor: JSON.parse(text) as Cursor };
  }
}

function orderLine(row: SourceRow): string {
  const { columns, children } = row;
  const items = (children?.["lines"] ?? []).map((line) => `${String(line["line"])}=${String(line["item"])}`);
  return `${String(columns["site"])}/${String(columns["ponum"])} ${String(columns["status"])} ${items.join(",")}`;
}

/** The same lines as `Replica.lines`, from the source's own mouth. */
export async function orderRows(source: SourceUnderTest): Promise<readonly string[]> {
  const orders = await source.rows("SELECT site, ponum, status FROM po");
  const lines = await source.rows("SELECT site, ponum, line, item FROM poline ORDER BY line");
  return orders
    .map(([site, ponum, status]) => {
      const own = lines.filter((line) => line[0] === site && line[1] === ponum);
      return `${site}/${ponum} ${status} ${own.map((line) => `${line[2]}=${line[3]}`).join(",")}`;
    })
    .sort();
}
