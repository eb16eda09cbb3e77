// The command-log table in the source: a command's id goes in with its write, so that a second try finds it done.
import type { SourceKey } from "../source/connector.ts";
import type { WriteRequest } from "../source/write.ts";
import { keyText } from "./cursor-values.ts";
import type { SqlDialect } from "./dialect.ts";
import { insertRow, readBy, setBy } from "./write-statements.ts";
import type { SqlWriteSession } from "./write-source.ts";
import type { LogShape } from "./write-shape.ts";

/** RESULT takes this many characters; what is longer is cut down to the key. */
const MAX_RESULT_LENGTH = 4_000;

/** What a finished command left in the log. */
export interface LoggedCommand {
  /** Whether it was the same write: entity, operation and key. */
  readonly isSame: boolean;
  readonly key: SourceKey | undefined;
  readonly outputs: Readonly<Record<string, string | null>>;
}

export class CommandLog {
  readonly #dialect: SqlDialect;
  readonly #shape: LogShape;

  constructor(dialect: SqlDialect, shape: LogShape) {
    this.#dialect = dialect;
    this.#shape = shape;
  }

  async find(session: SqlWriteSession, request: WriteRequest): Promise<LoggedCommand | undefined> {
    const { table, columns } = this.#shape;
    const wanted = [columns.ENTITY, columns.OPERATION, columns.RECORD_KEY, columns.RESULT];
    const statement = readBy(this.#dialect, table, wanted, columns.COMMAND_ID, request.commandId);
    const [row] = await session.query(statement);
    if (row === undefined) return undefined;
    const [entity, operation, key, result] = row.map((value) => keyText(value));
    const { key: found, outputs } = JSON.parse(result ?? "{}") as Partial<LoggedCommand>;
    return {
      isSame:
        entity === request.entity &&
        operation === request.operation &&
        (request.key === undefined || key === keyOf(request)),
      key: found ?? request.key,
      outputs: outputs ?? {},
    };
  }

  /** Waits for another transaction that has the same id in hand. @throws WriteRefused if that one was committed */
  async enter(session: SqlWriteSession, request: WriteRequest): Promise<void> {
    const { table, columns } = this.#shape;
    const filled = [
      { column: columns.COMMAND_ID, value: request.commandId, cast: undefined },
      { column: columns.IDEMPOTENCY_KEY, value: request.idempotencyKey ?? null, cast: undefined },
      { column: columns.ENTITY, value: request.entity, cast: undefined },
      { column: columns.OPERATION, value: request.operation, cast: undefined },
      { column: columns.RECORD_KEY, value: keyOf(request), cast: undefined },
    ];
    await session.execute(insertRow(this.#dialect, table, filled));
  }

  async finish(
    session: SqlWriteSession,
    request: WriteRequest,
    done: Pick<LoggedCommand, "key" | "outputs">,
  ): Promise<void> {
    const { table, columns } = this.#shape;
    const whole = JSON.stringify(done);
    const value = whole.length > MAX_RESULT_LENGTH ? JSON.stringify({ key: done.key }) : whole;
    const set = { column: columns.RESULT, value, cast: undefined };
    await session.execute(setBy(this.#dialect, table, set, columns.COMMAND_ID, request.commandId));
  }
}

function keyOf({ key }: WriteRequest): string | null {
  return key === undefined ? null : JSON.stringify(key);
}
