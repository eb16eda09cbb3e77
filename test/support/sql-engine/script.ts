// Statements that are no SQL proper: variables, flow, transactions, settings, calls.
import type { Condition, Expression, ScriptStatement, Statement } from "./ast.ts";
import { optionsOf } from "./compare-compiled.ts";
import { compileCondition } from "./compile-condition.ts";
import { compileExpression } from "./compile-expression.ts";
import { convertValue } from "./convert.ts";
import { parseWallClock } from "./date-text.ts";
import { type Env, Scope } from "./scope.ts";
import { type BoundParameter, DatabaseError, type DbType, type DbValue } from "./session.ts";
import type { Batch, SqlSession } from "./sql-session.ts";
import { Table } from "./table.ts";
import type { Transaction } from "./transaction.ts";

export interface ScriptHost {
  readonly session: SqlSession;
  readonly batch: Batch;
}

/** Savepoints by name, for the transaction that they belong to: how many writes there were. */
const savepoints = new WeakMap<Transaction, Map<string, number>>();

const MAX_ROUNDS = 100_000;

/** False if the statement is SQL proper. */
export async function runScript(statement: Statement, host: ScriptHost): Promise<boolean> {
  const { session, batch } = host;
  switch (statement.kind) {
    case "declare":
      for (const { name, type, value } of statement.variables) {
        batch.variables.set(fold(name, host), { type, value: null });
        if (value !== undefined) await assign(name, value, host);
      }
      return true;
    case "declare_table":
      declareTable(statement, host);
      return true;
    case "set_variable":
      await assign(statement.name, statement.value, host);
      return true;
    case "set_option":
      session.setOption(statement.name, statement.value);
      return true;
    case "if": {
      const branch = (await holds(statement.condition, host)) ? statement.body : statement.otherwise;
      await session.runAll(branch, batch);
      return true;
    }
    case "while":
      for (let round = 0; await holds(statement.condition, host); round += 1) {
        if (round >= MAX_ROUNDS) throw new DatabaseError(50_000, `more than ${MAX_ROUNDS} rounds of WHILE`);
        await session.runAll(statement.body, batch);
        if (batch.isOver) break;
      }
      return true;
    case "block":
      await session.runAll(statement.body, batch);
      return true;
    case "try":
      await runTry(statement, host);
      return true;
    case "return":
      batch.isOver = true;
      return true;
    case "empty":
      return true;
    case "use":
      return true;
    case "throw":
      throw await raised(statement, host);
    case "wait":
      await waitFor(statement.delay, host);
      return true;
    case "exec":
      await runCall(statement, host);
      return true;
    case "begin_transaction":
    case "commit":
    case "rollback":
    case "savepoint":
      endOrMark(statement, session);
      return true;
    default:
      return false;
  }
}

function endOrMark(statement: ScriptStatement, session: SqlSession): void {
  if (statement.kind === "begin_transaction") session.beginTransaction();
  else if (statement.kind === "commit") session.commit();
  else if (statement.kind === "savepoint") {
    const { transaction } = session;
    if (transaction === undefined)
      throw new DatabaseError(628, "Cannot issue SAVE TRANSACTION when there is no active transaction.");
    const known = savepoints.get(transaction) ?? new Map<string, number>();
    known.set(statement.name, transaction.writes.length);
    savepoints.set(transaction, known);
  } else if (statement.kind === "rollback") {
    const { savepoint } = statement;
    if (savepoint === undefined) {
      session.rollback();
      return;
    }
    const { transaction } = session;
    const mark = transaction === undefined ? undefined : savepoints.get(transaction)?.get(savepoint);
    if (transaction === undefined || mark === undefined) {
      throw new DatabaseError(1086, `ORA-01086: savepoint '${savepoint}' never established`);
    }
    session.database.storage.rollbackTo(transaction, mark);
  }
}

function fold(name: string, { session }: ScriptHost): string {
  return session.database.dialect === "tsql" ? name.toLowerCase() : name;
}

async function valueOf(
  expression: Expression,
  { session, batch }: ScriptHost,
): Promise<{ type: DbType; value: DbValue }> {
  return await session.attempt(batch, () => {
    const run = session.newRun(batch);
    const compiled = compileExpression(expression, new Scope(run, undefined));
    return { type: compiled.type, value: compiled.eval(emptyEnv()) };
  });
}

async function holds(condition: Condition, { session, batch }: ScriptHost): Promise<boolean> {
  return await session.attempt(batch, () => {
    const run = session.newRun(batch);
    return compileCondition(condition, new Scope(run, undefined))(emptyEnv()) === true;
  });
}

function emptyEnv(): Env {
  return { rows: [], outer: undefined, aggregates: [], rowNumber: 1 };
}

async function assign(name: string, expression: Expression, host: ScriptHost): Promise<void> {
  const variable = host.batch.variables.get(fold(name, host));
  if (variable === undefined) throw new DatabaseError(137, `Must declare the scalar variable "${name}".`, 15);
  const { type, value } = await valueOf(expression, host);
  variable.value = convertValue(value, type, variable.type, optionsOf(host.session.newRun(host.batch)));
}

function declareTable(
  statement: ScriptStatement & { kind: "declare_table" },
  { session, batch }: ScriptHost,
): void {
  const { storage, collation } = session.database;
  const columns = statement.columns.map(({ name, type, isNullable, isIdentity }) =>
    storage.column({ name, type, isNullable, isIdentity }),
  );
  const identity = { schema: "@", name: statement.name, objectId: 0 };
  const table = new Table(identity, columns, { defaultCollation: collation, nullsLast: false });
  const { primaryKey } = statement;
  if (primaryKey !== undefined) {
    table.addIndex({ name: `PK_${statement.name}`, columns: primaryKey, isUnique: true, isPrimary: true });
  }
  batch.tableVariables.set(statement.name.toLowerCase(), table);
}

async function runTry(
  statement: ScriptStatement & { kind: "try" },
  { session, batch }: ScriptHost,
): Promise<void> {
  try {
    await session.runAll(statement.body, batch);
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.severity >= 20 || batch.signal.aborted) throw error;
    batch.error = { number: error.number, message: error.message };
    await session.runAll(statement.handler, batch);
    batch.error = undefined;
  }
}

async function raised(
  statement: ScriptStatement & { kind: "throw" },
  host: ScriptHost,
): Promise<DatabaseError> {
  const { error } = host.batch;
  const [first, second] = statement.args;
  if (first === undefined)
    return new DatabaseError(error?.number ?? 10_704, error?.message ?? "THROW outside of CATCH");
  const values = await Promise.all(
    [first, second].map(async (arg) => (arg === undefined ? null : (await valueOf(arg, host)).value)),
  );
  if (statement.isRaise) return new DatabaseError(50_000, String(values[0]), Number(values[1] ?? 16));
  return new DatabaseError(Number(values[0]), String(values[1]));
}

async function waitFor(delay: Expression, host: ScriptHost): Promise<void> {
  const { value } = await valueOf(delay, host);
  const clock = parseWallClock(String(value));
  const start = parseWallClock("1900-01-01 00:00:00")!;
  const ms = clock === undefined ? 0 : (clock.seconds - start.seconds) * 1000 + clock.nanos / 1e6;
  const { signal } = host.batch;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const abort = (): void => reject(host.session.database.cancelled());
  signal.addEventListener("abort", abort, { once: true });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}

async function runCall(statement: ScriptStatement & { kind: "exec" }, host: ScriptHost): Promise<void> {
  const { session, batch } = host;
  const bound: BoundParameter[] = [];
  for (const [at, { name, value }] of statement.args.entries()) {
    const given = await outputSafe(value, host);
    bound.push({ name: (name ?? String(at + 1)).replace(/^@/, ""), ...given });
  }
  if (statement.path.at(-1)!.toLowerCase() === "sp_executesql") {
    await runDynamic(bound, host);
    return;
  }
  const result = await session.callProcedure(statement.path, bound, batch);
  batch.sets.push(...result.sets);
  batch.rowsAffected = result.rowsAffected;
  for (const [at, { value, isOutput, name }] of statement.args.entries()) {
    if (!isOutput || value.kind !== "parameter") continue;
    const output = result.outputs?.get((name ?? String(at + 1)).replace(/^@/, ""));
    const variable = batch.variables.get(fold(value.name, host));
    if (output !== undefined && variable !== undefined) variable.value = output.value;
  }
  const status =
    statement.returnInto === undefined ? undefined : batch.variables.get(fold(statement.returnInto, host));
  if (status !== undefined) status.value = result.returnStatus ?? 0;
}

async function outputSafe(value: Expression, host: ScriptHost): Promise<{ type: DbType; value: DbValue }> {
  const variable = value.kind === "parameter" ? host.batch.variables.get(fold(value.name, host)) : undefined;
  return variable === undefined ? await valueOf(value, host) : { type: variable.type, value: variable.value };
}

/** `EXEC sp_executesql N'text', N'@a int', @a = …` and `EXEC ('text')`. */
async function runDynamic(bound: readonly BoundParameter[], { session, batch }: ScriptHost): Promise<void> {
  const [text, declaration, ...values] = bound;
  const names = [...String(declaration?.value ?? "").matchAll(/@([\p{L}\p{N}_$#]+)/gu)].map(
    (match) => match[1]!,
  );
  const named = values.map((value, at) =>
    /^\d+$/.test(value.name) ? Object.assign({}, value, { name: names[at] ?? value.name }) : value,
  );
  const result = await session.executeInner(String(text?.value ?? ""), named, batch.signal);
  batch.sets.push(...result.sets);
  batch.rowsAffected = result.rowsAffected;
}
