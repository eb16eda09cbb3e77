// What one connection may ask of its source and what it has asked: every read of the runner goes through here.
import type { Clock } from "#common/runtime/clock.ts";
import type { Connector, ReadRequest, SourceBatch } from "../source/connector.ts";
import type { Lane } from "../sql/sql-source.ts";
import { LoadMeter, type LoadRates } from "./load-meter.ts";
import { PassCalendar } from "./pass-calendar.ts";
import { RowAllowance, type LoadKind } from "./row-allowance.ts";
import { StatementGate } from "./statement-gate.ts";

/** The plant's own limits; what is absent is not limited. Plain data. */
export interface LoadLimits {
  readonly rowsPerSecond?: number;
  /** Statements under way at once. */
  readonly statements?: number;
  /** Windows in which passes over everything may run (pass-calendar.ts). */
  readonly fullPasses?: readonly string[];
}

/** Rows of a record together with its children, until its entity has been seen: the first chunk is rather small. */
const ASSUMED_ROWS = 10;

export class SourceLoad {
  readonly #limits: LoadLimits;
  readonly #clock: Clock;
  readonly #allowance: RowAllowance;
  readonly #gate: StatementGate;
  readonly #calendar: PassCalendar;
  readonly #meter: LoadMeter;
  /** By entity: rows of one record, as last seen. */
  readonly #rowsPerRecord = new Map<string, number>();

  /** `timeZone` is that of the windows. */
  constructor(limits: LoadLimits, timeZone: string, clock: Clock) {
    const { rowsPerSecond = Infinity, statements = Infinity, fullPasses = [] } = limits;
    this.#limits = limits;
    this.#clock = clock;
    this.#allowance = new RowAllowance(rowsPerSecond, clock);
    this.#gate = new StatementGate(statements);
    this.#calendar = new PassCalendar(fullPasses, timeZone);
    this.#meter = new LoadMeter(clock);
  }

  /**
   * `connector.read`, counted, with no more statements at once than allowed and chunks of at most a second's rows. It never
   * waits for the allowance: that is for whoever asks (`waitMs`), so that a wait can be used for something else. Point reads
   * are not divided: they are as long as their caller made them.
   */
  async *read(connector: Pick<Connector, "read">, request: ReadRequest): AsyncGenerator<SourceBatch> {
    const { pass, entity } = request;
    const lane: Lane = pass === "snapshot" || pass === "keys" ? "bulk" : "live";
    const kind: LoadKind = pass === "incremental" ? "poll" : "pass";
    const maxRows =
      pass === "point"
        ? request.maxRows
        : this.chunkRows(request.maxRows, pass === "keys" ? undefined : entity);
    let statements = 0;
    const asked = (): void => void (statements += 1);
    const batches = connector.read({ ...request, maxRows, asked })[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#gate.run(lane, request.signal, () => batches.next());
        const batch = next?.done === false ? next.value : undefined;
        const rows = batch === undefined ? 0 : this.#rowsOf(request, batch);
        // A connector that does not count its statements has asked at least one for what it gives.
        this.#meter.count(rows, Math.max(statements, rows > 0 ? 1 : 0));
        statements = 0;
        this.#allowance.read(kind, rows);
        if (batch === undefined) return;
        yield batch;
      }
    } finally {
      await batches.return?.();
    }
  }

  /** One thing that a person asked for, beside the reading: it takes its place at the gate, and is counted by its rows. */
  async once<T>(
    signal: AbortSignal,
    work: () => Promise<T>,
    rowsOf: (answer: T) => number,
  ): Promise<T | undefined> {
    const answer = await this.#gate.run("live", signal, work);
    if (answer === undefined) return undefined;
    const rows = rowsOf(answer);
    this.#meter.count(rows, 1);
    this.#allowance.read("pass", rows);
    return answer;
  }

  /** Records of one chunk: at most `wanted`, and no more than may be read in a second, children included. */
  chunkRows(wanted: number, entity: string | undefined): number {
    const { chunkRows } = this.#allowance;
    if (chunkRows === Infinity) return wanted;
    const perRecord = entity === undefined ? 1 : (this.#rowsPerRecord.get(entity) ?? ASSUMED_ROWS);
    return Math.max(1, Math.min(wanted, Math.floor(chunkRows / perRecord)));
  }

  /** ms until reading of this kind may begin; 0 when it may now. */
  waitMs(kind: LoadKind): number {
    return this.#allowance.waitMs(kind);
  }

  /** Whether reading of this kind should break off and go on after `waitMs`. */
  isOverdrawn(kind: LoadKind): boolean {
    return this.#allowance.isOverdrawn(kind);
  }

  /** ms until the hours in which passes over everything may run; 0 within them. */
  windowInMs(): number {
    return this.#calendar.opensInMs(this.#clock.nowMs());
  }

  /** For people: `22:00 Europe/Berlin`. */
  windowText(): string {
    return this.#calendar.opensAtText(this.#clock.nowMs());
  }

  /** For people: `2,000 rows/s`. */
  limitText(): string {
    return `${String(this.#limits.rowsPerSecond ?? "").replaceAll(/\B(?=(?:\d{3})+$)/g, ",")} rows/s`;
  }

  rates(): LoadRates {
    return this.#meter.rates();
  }

  #rowsOf({ entity, pass }: ReadRequest, { rows }: SourceBatch): number {
    let all = rows.length;
    for (const { children } of rows) {
      if (children === undefined) continue;
      for (const name in children) all += children[name]?.length ?? 0;
    }
    // Keys come without children and say nothing of them. A page of small records does not make the next one large at once.
    if (pass !== "keys" && rows.length > 0) {
      const before = this.#rowsPerRecord.get(entity) ?? ASSUMED_ROWS;
      this.#rowsPerRecord.set(entity, Math.max(all / rows.length, before / 2));
    }
    return all;
  }
}
