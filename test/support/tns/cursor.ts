// One open cursor: its statement, its binds, and the rows that have not been fetched yet.
import type { DbValue, ResultColumn, ResultSet } from "../sql-engine/session.ts";
import { writeRowHeader } from "./answers.ts";
import type { BindName } from "./bind-names.ts";
import type { BindFormat } from "./bind-values.ts";
import { formatOf, LOB_TYPES, valueWriter, type ColumnFormat, type ValueContext } from "./column-format.ts";
import type { MessageWriter } from "./message-writer.ts";
import { MESSAGE, ORACLE_TYPE } from "./protocol.ts";

/** Null indicator and return code of a null, as the server sends them behind long values. */
const FETCHED_NULL_CODE = 1405;

interface Column {
  readonly write: (writer: MessageWriter, value: DbValue) => void;
  readonly isLob: boolean;
  /** An indicator and a return code follow the value. */
  readonly hasIndicator: boolean;
}

export class Cursor {
  readonly id: number;
  readonly sql: string;
  readonly isQuery: boolean;
  readonly isPlSql: boolean;
  readonly bindNames: readonly BindName[];
  bindFormats: readonly BindFormat[] = [];
  /** Names that gave a value back at the last execution. */
  outputs: ReadonlySet<string> = new Set();
  /** What the client wants columns as; undefined until it says so. */
  defines: readonly BindFormat[] | undefined;
  columns: readonly ResultColumn[] = [];
  fetchedRows = 0;
  #rows: readonly (readonly DbValue[])[] = [];
  #encoders: readonly Column[] = [];

  constructor(id: number, sql: string, isQuery: boolean, isPlSql: boolean, bindNames: readonly BindName[]) {
    this.id = id;
    this.sql = sql;
    this.isQuery = isQuery;
    this.isPlSql = isPlSql;
    this.bindNames = bindNames;
  }

  /** LOBs come only when the client has said what it wants them as. */
  get needsDefines(): boolean {
    return (
      this.defines === undefined && this.columns.some(({ type }) => LOB_TYPES.has(formatOf(type).oracleType))
    );
  }

  get hasMore(): boolean {
    return this.fetchedRows < this.#rows.length;
  }

  /** Says whether the columns are others than before. */
  open({ columns, rows }: ResultSet): boolean {
    const isSame = JSON.stringify(columns) === JSON.stringify(this.columns);
    this.columns = columns;
    this.#rows = rows;
    this.fetchedRows = 0;
    if (!isSame) {
      this.#encoders = [];
      this.defines = undefined;
    }
    return !isSame;
  }

  define(formats: readonly BindFormat[]): void {
    this.defines = formats;
    this.#encoders = [];
  }

  cancel(): void {
    this.#rows = [];
    this.fetchedRows = 0;
  }

  /**
   * Writes up to `count` rows. A column that has the value of the row before is left out, as a bit says.
   * @param longestString bytes; longer columns have an indicator behind their values
   */
  writeRows(writer: MessageWriter, count: number, longestString: number, context: ValueContext): void {
    this.#encoders = this.#encoders.length > 0 ? this.#encoders : this.#makeEncoders(longestString, context);
    const rows = this.#rows.slice(this.fetchedRows, this.fetchedRows + count);
    if (rows.length > 0) writeRowHeader(writer);
    let before: readonly DbValue[] | undefined;
    for (const row of rows) {
      this.#writeRow(writer, row, before);
      before = row;
    }
    this.fetchedRows += rows.length;
  }

  #writeRow(writer: MessageWriter, row: readonly DbValue[], before: readonly DbValue[] | undefined): void {
    const isRepeated = this.#encoders.map(
      ({ isLob }, index) => before !== undefined && !isLob && isSameValue(row[index], before[index]),
    );
    if (isRepeated.includes(true)) writeBitVector(writer, isRepeated);
    writer.u8(MESSAGE.rowData);
    for (const [index, column] of this.#encoders.entries()) {
      if (isRepeated[index] === true) continue;
      const value = row[index] ?? null;
      column.write(writer, value);
      if (column.hasIndicator)
        if (value === null) writer.ints(-1, FETCHED_NULL_CODE);
        else writer.ints(0, 0);
    }
  }

  #makeEncoders(longestString: number, context: ValueContext): readonly Column[] {
    return this.columns.map(({ type }, index) => {
      const own = formatOf(type);
      const asked = askedFormat(own, this.defines?.[index]);
      const isLong = asked.oracleType === ORACLE_TYPE.long || asked.oracleType === ORACLE_TYPE.longRaw;
      return {
        write: valueWriter(asked, context),
        isLob: LOB_TYPES.has(own.oracleType),
        hasIndicator: isLong || own.maxBytes > longestString,
      };
    });
  }
}

/** Only LOBs are turned into something else; other columns go out as what they are. */
function askedFormat(own: ColumnFormat, asked: BindFormat | undefined): ColumnFormat {
  return asked === undefined || !LOB_TYPES.has(own.oracleType) ? own : asked;
}

function isSameValue(value: DbValue | undefined, before: DbValue | undefined): boolean {
  if (value instanceof Uint8Array)
    return before instanceof Uint8Array && Buffer.compare(Buffer.from(value), Buffer.from(before)) === 0;
  return value === before;
}

/** A set bit says that the column comes with the row. */
function writeBitVector(writer: MessageWriter, isRepeated: readonly boolean[]): void {
  const bits = Buffer.alloc(Math.ceil(isRepeated.length / 8));
  for (const [index, repeated] of isRepeated.entries())
    if (!repeated) bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
  writer
    .u8(MESSAGE.bitVector)
    .int(isRepeated.filter((repeated) => !repeated).length)
    .raw(bits);
}
