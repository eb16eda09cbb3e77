// Writes the rows of children in their parent's transaction: known keys are changed, others are new, and named ones go.
import type { SourceKey } from "../source/connector.ts";
import type { ChildWrite, WriteValue } from "../source/write.ts";
import { plainDecimal } from "../mapping/decimal.ts";
import { cursorValue, keyText, parameterOf } from "./cursor-values.ts";
import { type TableFacts, tableLabel } from "./dialect.ts";
import type { KeyValues } from "./key-conditions.ts";
import { joinColumns, keyColumns, pointRead } from "./statements.ts";
import type { ChildShape, EntityShape } from "./table-shape.ts";
import type { WriteJob } from "./write-job.ts";
import type { RowsShape } from "./write-shape.ts";
import { type SqlWriteSession, type SqlWriteSource, WriteRefused } from "./write-source.ts";
import {
  deleteRows,
  type Filled,
  insertRow,
  type RowsWhere,
  selectRows,
  updateRows,
} from "./write-statements.ts";

/** Rows of one child that are to be written, with what leads them to their parent. */
export interface RowsToWrite {
  readonly shape: RowsShape;
  readonly parent: KeyValues;
  readonly given: readonly ChildWrite[];
}

/** The request's rows under the record of this key, which the source has. @throws WriteRefused, ConnectorError */
export async function rowsToWrite(
  session: SqlWriteSession,
  { source, shape, request }: WriteJob,
  key: SourceKey,
): Promise<readonly RowsToWrite[]> {
  const wanted: RowsToWrite[] = [];
  for (const rows of shape.rows) {
    const given = request.children?.[rows.plan.child] ?? [];
    if (given.length === 0) continue;
    const parent = await parentValues(session, source, shape.entity, rows.child, key);
    wanted.push({ shape: rows, parent, given });
  }
  return wanted;
}

/** @throws WriteRefused, ConnectorError */
export async function writeRows(
  session: SqlWriteSession,
  { source, shape }: WriteJob,
  wanted: readonly RowsToWrite[],
): Promise<void> {
  const isNew = shape.plan.form === "insert";
  for (const { shape: rows, parent, given } of wanted)
    await new RowsWriter(session, source, rows, parent).write(given, isNew);
}

/** What the rows of a child have in the columns that lead to this parent. */
export async function parentValues(
  session: SqlWriteSession,
  { dialect }: SqlWriteSource,
  entity: EntityShape,
  child: ChildShape,
  key: SourceKey,
): Promise<KeyValues> {
  const select = child.parentAt.map((at) => entity.select[at]!);
  const found = await session.query(pointRead(dialect, entity, keyColumns(entity), [key], select));
  const [row] = found;
  if (row !== undefined && found.length === 1) return row.map((value) => parameterOf(cursorValue(value)));
  throw new WriteRefused(
    "VALUE",
    `The record ${JSON.stringify(key)} is not among those that the pack reads (its where), so its ${child.rowsUnder} cannot be written.`,
  );
}

/** @throws WriteRefused unless one row was written */
export function checkOne(count: number, { table }: TableFacts): void {
  if (count === 1) return;
  throw new WriteRefused(
    "NOT_ONE_ROW",
    `Writing ${tableLabel(table)} changed ${count} rows instead of one; nothing was kept. Check the pack's key, and triggers of the table.`,
  );
}

class RowsWriter {
  readonly #session: SqlWriteSession;
  readonly #source: SqlWriteSource;
  readonly #shape: RowsShape;
  readonly #parent: KeyValues;

  constructor(session: SqlWriteSession, source: SqlWriteSource, shape: RowsShape, parent: KeyValues) {
    this.#session = session;
    this.#source = source;
    this.#shape = shape;
    this.#parent = parent;
  }

  async write(given: readonly ChildWrite[], isNew: boolean): Promise<void> {
    const { number } = this.#shape.plan;
    const isCounted = (row: ChildWrite): boolean =>
      number === undefined || (row.values[number.column] ?? null) !== null;
    let last = given.every(isCounted) ? 0n : await this.#lastNumber(given);
    for (const [at, row] of given.entries()) {
      if (row.isRemoved === true) await this.#remove(row);
      else if (isCounted(row)) {
        if (isNew || !(await this.#change(row))) await this.#add(row, row.values, at);
      } else {
        last += BigInt(number!.step);
        await this.#add(row, { ...row.values, [number!.column]: String(last) }, at);
      }
    }
  }

  /** False: there is no such row yet. */
  async #change(row: ChildWrite): Promise<boolean> {
    const { child, plan } = this.#shape;
    const filled = this.#filled(row.values).filter(({ name }) => !plan.key.includes(name));
    const { dialect } = this.#source;
    if (filled.length === 0) {
      const found = await this.#session.query(selectRows(dialect, this.#rowOf(row), joinColumns(child)));
      return found.length > 0;
    }
    const count = await this.#session.execute(updateRows(dialect, this.#rowOf(row), filled));
    if (count > 0) checkOne(count, child.facts);
    return count > 0;
  }

  async #add(row: ChildWrite, values: ChildWrite["values"], at: number): Promise<void> {
    const { child, plan, join } = this.#shape;
    const missing = plan.required.filter((name) => (values[name] ?? null) === null);
    if (missing.length > 0)
      throw new WriteRefused(
        "VALUE",
        `Row ${at + 1} of ${child.rowsUnder} is new and needs ${missing.join(", ")}.`,
      );
    const joined = join.map((column, place) => ({
      column,
      value: this.#parent[place] ?? null,
      cast: undefined,
    }));
    const filled = [...joined, ...this.#filled({ ...row.initial, ...values })];
    checkOne(await this.#session.execute(insertRow(this.#source.dialect, child.facts, filled)), child.facts);
  }

  /** What is gone already stays so. */
  async #remove(row: ChildWrite): Promise<void> {
    const { child, plan } = this.#shape;
    const filled = this.#filled(row.values).filter(({ name }) => !plan.key.includes(name));
    const { dialect } = this.#source;
    const count = await this.#session.execute(
      plan.removal === "set"
        ? updateRows(dialect, this.#rowOf(row), filled)
        : deleteRows(dialect, this.#rowOf(row)),
    );
    if (count > 1) checkOne(count, child.facts);
  }

  /** The highest number that the parent's rows have or are given. The parent is locked, so that it stays so. */
  async #lastNumber(given: readonly ChildWrite[]): Promise<bigint> {
    const { child, plan, columns } = this.#shape;
    const { column } = plan.number!;
    const all: RowsWhere = {
      table: child.facts,
      filters: [],
      columns: joinColumns(child),
      values: this.#parent,
    };
    const found = await this.#session.query(selectRows(this.#source.dialect, all, [columns.get(column)!]));
    const numbers = [
      ...found.map(([value]) => keyText(value ?? null)),
      ...given.map(({ values }) => values[column]),
    ];
    return numbers.reduce<bigint>((most, value) => {
      const number = wholeNumber(value ?? "0", `${child.rowsUnder} are counted by ${column}`);
      return number > most ? number : most;
    }, 0n);
  }

  #rowOf({ values }: ChildWrite): RowsWhere {
    const { child, plan, columns } = this.#shape;
    return {
      table: child.facts,
      filters: child.filters,
      columns: [...joinColumns(child), ...plan.key.map((name) => columns.get(name)!)],
      values: [...this.#parent, ...plan.key.map((name) => values[name] ?? null)],
    };
  }

  #filled(values: Readonly<Record<string, WriteValue>>): readonly (Filled & { readonly name: string })[] {
    const { plan, columns } = this.#shape;
    return plan.slots.flatMap(({ name, cast }) => {
      const value = values[name];
      return value === undefined ? [] : [{ name, column: columns.get(name)!, value, cast }];
    });
  }
}

function wholeNumber(value: WriteValue, what: string): bigint {
  const plain = plainDecimal(String(value))?.replace(/\.0+$/, "");
  if (plain !== undefined && /^-?\d+$/.test(plain)) return BigInt(plain);
  throw new WriteRefused(
    "VALUE",
    `${what}, and ${JSON.stringify(value)} is no whole number: give each row its own.`,
  );
}
