// Procedures that a pack's writes call: their parameters as the server declares them, and the batch that calls one.
import { EXACT_KEY } from "#agent/core/source/key-rules.ts";
import type { EntityPlan, TableName } from "#agent/core/source/plan.ts";
import { type SqlRow, tableLabel } from "#agent/core/sql/dialect.ts";
import type { SqlSession } from "#agent/core/sql/sql-source.ts";
import type { StatementWriter } from "#agent/core/sql/statement-writer.ts";
import { type ProcedureCall, WriteRefused } from "#agent/core/sql/write-source.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import { quoteName } from "./grants.ts";
import { type ColumnType, declarationOf, readingOf } from "./type-map.ts";

interface Parameter {
  /** Without @. */
  readonly name: string;
  readonly type: ColumnType;
  readonly isOutput: boolean;
}

interface Procedure {
  /** Quoted, with its schema. */
  readonly name: string;
  readonly parameters: readonly Parameter[];
}

/** By the pack's names. */
export type Procedures = ReadonlyMap<string, Procedure>;

const PARAMETERS = `
  SELECT s.name, o.name, CASE WHEN s.name = SCHEMA_NAME() THEN 1 ELSE 0 END, p.name, t.name, p.max_length, p.precision,
    p.scale, p.is_output
  FROM sys.procedures AS o JOIN sys.schemas AS s ON s.schema_id = o.schema_id
  LEFT JOIN sys.parameters AS p ON p.object_id = o.object_id AND p.parameter_id > 0
  LEFT JOIN sys.types AS t ON t.user_type_id = p.system_type_id
  WHERE LOWER(o.name) = @p1 ORDER BY s.name, p.parameter_id`;

/** An output of this name is the procedure's RETURN status, where no parameter is called so. */
const RETURN = "return";
/** How a call's batch begins. */
export const CALL_START = "DECLARE @millrace_return int";

/** @throws ConnectorError misconfigured naming everything that the source has not */
export async function readProcedures(
  session: SqlSession,
  plans: readonly EntityPlan[],
  user: string,
): Promise<Procedures> {
  const procedures = new Map<string, Procedure>();
  const problems: string[] = [];
  const wanted = plans.flatMap(({ writes = [] }) => writes.filter((plan) => plan.form === "procedure"));
  for (const { procedure, slots, outputs, isNamed } of wanted) {
    const label = tableLabel(procedure);
    const found = await find(session, procedure);
    if (found === undefined) {
      const name = `${quoteName(procedure.schema ?? "dbo")}.${quoteName(procedure.name)}`;
      problems.push(`${label}; where it exists: GRANT EXECUTE ON OBJECT::${name} TO ${quoteName(user)};`);
      continue;
    }
    procedures.set(label, found);
    for (const [at, { name }] of slots.entries())
      if ((isNamed ? named(found, name) : found.parameters[at]) === undefined)
        problems.push(`${label}: has no parameter @${isNamed ? bare(name) : at + 1}`);
    for (const name of outputs)
      if (!isReturn(found, name) && named(found, name)?.isOutput !== true)
        problems.push(`${label}: has no OUTPUT parameter @${bare(name)}`);
  }
  if (problems.length === 0) return procedures;
  throw new ConnectorError(
    "misconfigured",
    "The pack's writes call procedures that this login does not find so. Correct the pack, or have an administrator grant them:\n" +
      problems.map((problem) => `  ${problem}`).join("\n"),
  );
}

/** Each argument becomes a variable of the parameter's own type; what comes back is selected as exactly as columns are. */
export function writeProcedureCall(
  writer: StatementWriter,
  call: ProcedureCall,
  procedures: Procedures,
): void {
  const procedure = procedures.get(tableLabel(call.procedure))!;
  const given = call.arguments.map((argument, at) => ({
    value: argument.value,
    parameter: (call.isNamed ? named(procedure, argument.name) : procedure.parameters[at])!,
  }));
  const back = call.outputs
    .filter((name) => !isReturn(procedure, name))
    .map((name) => named(procedure, name)!);
  const only = back.filter((parameter) => !given.some((one) => one.parameter === parameter));
  writer.add(CALL_START);
  for (const { parameter, value } of given) {
    const { name, type } = parameter;
    checkLength(parameter, value);
    const wrap = readingOf(name, type).parameter ?? ((placeholder) => placeholder);
    writer.add(`, @${name} ${declarationOf(type)} = `);
    writer.bind(value, { name, type: type.base, nullable: true, rule: EXACT_KEY, parameter: wrap });
  }
  for (const { name, type } of only) writer.add(`, @${name} ${declarationOf(type)}`);
  writer.add(`; EXEC @millrace_return = ${procedure.name} `);
  writer.list([...given.map(({ parameter }) => parameter), ...only], ", ", (parameter) => {
    writer.add(`@${parameter.name} = @${parameter.name}${back.includes(parameter) ? " OUTPUT" : ""}`);
  });
  const results = call.outputs.map((name) => {
    const parameter = isReturn(procedure, name) ? undefined : named(procedure, name);
    if (parameter === undefined) return "@millrace_return";
    return readingOf(`@${parameter.name}`, parameter.type).select ?? `@${parameter.name}`;
  });
  writer.add(`; SELECT ${results.length === 0 ? "@millrace_return" : results.join(", ")}`);
}

/** The server would cut it and say nothing. @throws WriteRefused */
function checkLength({ name, type }: Parameter, value: string | number | null): void {
  const characters = type.base.startsWith("n") ? type.maxLength / 2 : type.maxLength;
  const isText = /^n?(?:var)?char$/.test(type.base) && type.maxLength > 0;
  if (!isText || value === null || String(value).length <= characters) return;
  throw new WriteRefused("VALUE", `@${name} takes at most ${characters} characters.`);
}

async function find(session: SqlSession, { schema, name }: TableName): Promise<Procedure | undefined> {
  const rows = await session.query({ text: PARAMETERS, parameters: [name.toLowerCase()] });
  const isOwn = (row: SqlRow): boolean =>
    schema === undefined ? Number(row[2]) === 1 : String(row[0]).toLowerCase() === schema.toLowerCase();
  const own = rows.filter(isOwn);
  const [first] = own;
  if (first === undefined) return undefined;
  return {
    name: `${quoteName(String(first[0]))}.${quoteName(String(first[1]))}`,
    parameters: own.flatMap((row) => (row[3] === null ? [] : [parameterOf(row)])),
  };
}

function parameterOf(row: SqlRow): Parameter {
  const type: ColumnType = {
    base: String(row[4]),
    maxLength: Number(row[5]),
    precision: Number(row[6]),
    scale: Number(row[7]),
    collation: null,
    isAssembly: false,
  };
  return { name: bare(String(row[3])), type, isOutput: row[8] === true };
}

function named({ parameters }: Procedure, name: string): Parameter | undefined {
  return parameters.find((parameter) => parameter.name.toLowerCase() === bare(name).toLowerCase());
}

function isReturn(procedure: Procedure, name: string): boolean {
  return bare(name).toLowerCase() === RETURN && named(procedure, name) === undefined;
}

function bare(name: string): string {
  return name.replace(/^@/, "");
}
