// Writes to PostgreSQL: a connection of their own, row locks, and how functions and procedures are called.
import type { EntityPlan, TableName } from "#agent/core/source/plan.ts";
import { quoteTable, type SqlStatement, tableLabel } from "#agent/core/sql/dialect.ts";
import type { SqlSession } from "#agent/core/sql/sql-source.ts";
import type { StatementWriter } from "#agent/core/sql/statement-writer.ts";
import type {
  ProcedureCall,
  SqlWriteSession,
  SqlWriteSource,
  WorkDone,
} from "#agent/core/sql/write-source.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import { POSTGRES_DIALECT, type PostgresConnection } from "./connection.ts";

/** Functions give a result set, procedures (PostgreSQL 11 on) are called. */
export type ProcedureKinds = ReadonlyMap<string, "function" | "procedure">;

const KIND = `
  SELECT bool_or(p.prokind = 'p') FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE p.proname = $1 AND ($2::text IS NULL AND pg_function_is_visible(p.oid) OR n.nspname = $2)
  HAVING count(*) > 0`;

/** @throws ConnectorError misconfigured naming every procedure that the source has not */
export async function readProcedures(
  session: SqlSession,
  plans: readonly EntityPlan[],
): Promise<ProcedureKinds> {
  const kinds = new Map<string, "function" | "procedure">();
  const missing: string[] = [];
  const wanted = plans.flatMap(({ writes = [] }) =>
    writes.flatMap((plan): TableName[] => (plan.form === "procedure" ? [plan.procedure] : [])),
  );
  for (const { schema, name } of wanted) {
    const [row] = await session.query({ text: KIND, parameters: [name, schema ?? null] });
    const label = tableLabel({ name, ...(schema === undefined ? {} : { schema }) });
    if (row === undefined) missing.push(label);
    else kinds.set(label, row[0] === true ? "procedure" : "function");
  }
  if (missing.length === 0) return kinds;
  throw new ConnectorError(
    "misconfigured",
    `The source has no function or procedure ${missing.join(", ")}, which the pack's writes call. Correct the names in the pack.`,
  );
}

export class PostgresWriteSource implements SqlWriteSource {
  readonly dialect = POSTGRES_DIALECT;
  readonly rowLock = { atEnd: " FOR UPDATE" };
  readonly #connection: PostgresConnection;
  readonly #kinds: ProcedureKinds;

  constructor(connection: PostgresConnection, kinds: ProcedureKinds) {
    this.#connection = connection;
    this.#kinds = kinds;
  }

  writeTransaction<T>(
    signal: AbortSignal,
    work: (session: SqlWriteSession) => Promise<WorkDone<T>>,
  ): Promise<T> {
    return this.#connection.write(signal, work);
  }

  nextOf(sequence: TableName): SqlStatement {
    return { text: "SELECT nextval($1)", parameters: [quoteTable(POSTGRES_DIALECT, sequence)] };
  }

  /** A procedure's OUT parameters need a place each; they come last. */
  writeCall(writer: StatementWriter, call: ProcedureCall): void {
    const isProcedure = this.#kinds.get(tableLabel(call.procedure)) === "procedure";
    writer.add(isProcedure ? "CALL " : "SELECT * FROM ");
    writer.add(`${quoteTable(POSTGRES_DIALECT, call.procedure)}(`);
    writer.list(call.arguments, ", ", ({ name, value, cast }) => {
      if (call.isNamed) writer.add(`${POSTGRES_DIALECT.quoteIdentifier(name)} => `);
      if (cast === undefined) writer.bind(value, undefined);
      else writer.add("CAST(").bind(value, undefined).add(` AS ${cast})`);
    });
    const outputs = isProcedure ? call.outputs.map(() => "NULL") : [];
    if (outputs.length > 0 && call.arguments.length > 0) writer.add(", ");
    writer.add(`${outputs.join(", ")})`);
  }
}
