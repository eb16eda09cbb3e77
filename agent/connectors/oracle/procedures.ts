// Procedures that a pack's writes call: where they are, and the block that calls one.
import { EXACT_KEY } from "#agent/core/source/key-rules.ts";
import type { EntityPlan, TableName } from "#agent/core/source/plan.ts";
import { type ColumnFacts, type SqlRow, tableLabel } from "#agent/core/sql/dialect.ts";
import type { SqlSession } from "#agent/core/sql/sql-source.ts";
import type { StatementWriter } from "#agent/core/sql/statement-writer.ts";
import type { ProcedureCall } from "#agent/core/sql/write-source.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import type { OracleSettings } from "./definition.ts";
import { ORACLE_DIALECT, outPlaceholder } from "./dialect.ts";
import { grant } from "./failures.ts";
import { wrapOf } from "./written-columns.ts";

/** Quoted names by the pack's: `"ERP"."WO_API"."CLOSE"`. */
export type ProcedureNames = ReadonlyMap<string, string>;

const PROCEDURES =
  "SELECT OWNER, OBJECT_NAME, PROCEDURE_NAME, OBJECT_TYPE FROM ALL_PROCEDURES WHERE OBJECT_NAME IN (:1, :2)";
const SYNONYMS =
  "SELECT OWNER, TABLE_OWNER, TABLE_NAME FROM ALL_SYNONYMS WHERE DB_LINK IS NULL AND SYNONYM_NAME IN (:1, :2)";

/** A bind that takes what an OUT argument gives. */
const OUT: ColumnFacts = {
  name: "",
  type: "VARCHAR2",
  nullable: true,
  rule: EXACT_KEY,
  parameter: outPlaceholder,
};

/** Names may be `PROCEDURE` or `PACKAGE.PROCEDURE`. @throws ConnectorError misconfigured naming every one that this user cannot call */
export async function readProcedures(
  session: SqlSession,
  plans: readonly EntityPlan[],
  settings: OracleSettings,
): Promise<ProcedureNames> {
  const names = new Map<string, string>();
  const problems: string[] = [];
  const wanted = plans.flatMap(({ writes = [] }) =>
    writes.flatMap((plan) => (plan.form === "procedure" ? [plan.procedure] : [])),
  );
  if (wanted.length === 0) return names;
  const [self] = await session.query({ text: "SELECT USER FROM DUAL", parameters: [] });
  const home = settings.schema ?? String(self?.[0]);
  for (const procedure of wanted) {
    const found = await find(session, procedure, home);
    if (found === undefined) {
      const place = quoted(`${procedure.schema ?? home}.${procedure.name.split(".")[0]}`.toUpperCase());
      problems.push(`${tableLabel(procedure)}; where it exists: ${grant("EXECUTE", place, settings.user)}`);
    } else if (found.isFunction)
      problems.push(`${tableLabel(procedure)} is a function; wrap it in a procedure`);
    else names.set(tableLabel(procedure), found.name);
  }
  if (problems.length === 0) return names;
  throw new ConnectorError(
    "misconfigured",
    "The pack's writes call procedures that this user cannot call. Correct the pack, or have their owner run:\n" +
      problems.map((problem) => `  ${problem}`).join("\n"),
  );
}

/** Arguments in order or by name, then the OUT arguments. */
export function writeProcedureCall(
  writer: StatementWriter,
  { procedure, isNamed, arguments: given, outputs }: ProcedureCall,
  names: ProcedureNames,
): void {
  const name = (argument: string): string => (isNamed ? `${quoted(argument.toUpperCase())} => ` : "");
  writer.add(`BEGIN ${names.get(tableLabel(procedure))!}(`);
  writer.list(given, ", ", (argument) => {
    writer.add(name(argument.name));
    const { value, cast } = argument;
    const wrap = cast === undefined ? undefined : (wrapOf(cast) ?? castTo(cast));
    writer.bind(value, wrap && { ...OUT, parameter: wrap });
  });
  if (given.length > 0 && outputs.length > 0) writer.add(", ");
  writer.list(outputs, ", ", (output) => writer.add(name(output)).bind(null, OUT));
  writer.add("); END;");
}

function castTo(type: string): (placeholder: string) => string {
  return (placeholder) => `CAST(${placeholder} AS ${type})`;
}

interface Found {
  readonly name: string;
  readonly isFunction: boolean;
}

/** In its own schema, or where a synonym leads. */
async function find(session: SqlSession, procedure: TableName, home: string): Promise<Found | undefined> {
  const [object = "", member] = procedure.name.split(".");
  const owner = (procedure.schema ?? home).toUpperCase();
  const own = (await ask(session, PROCEDURES, object)).find((row) => isOne(row, owner, member));
  if (own !== undefined) return foundAt(own);
  if (procedure.schema !== undefined) return undefined;
  for (const [holder, targetOwner, target] of await ask(session, SYNONYMS, object)) {
    if (holder !== owner && holder !== "PUBLIC") continue;
    const rows = await ask(session, PROCEDURES, String(target));
    const there = rows.find((row) => isOne(row, String(targetOwner).toUpperCase(), member));
    if (there !== undefined) return foundAt(there);
  }
  return undefined;
}

async function ask(session: SqlSession, text: string, name: string): Promise<readonly SqlRow[]> {
  return await session.query({ text, parameters: [name, name.toUpperCase()] });
}

function isOne([owner, , name]: SqlRow, wanted: string, member: string | undefined): boolean {
  if (String(owner).toUpperCase() !== wanted) return false;
  return member === undefined ? name === null : name === member || name === member.toUpperCase();
}

function foundAt([owner, object, member, type]: SqlRow): Found {
  const parts = [owner, object, ...(member === null ? [] : [member])];
  return { name: quoted(parts.map(String).join(".")), isFunction: type === "FUNCTION" };
}

/** `a.b.c` as `"a"."b"."c"`. */
function quoted(path: string): string {
  const parts = path.split(".");
  return parts.map((part) => ORACLE_DIALECT.quoteIdentifier(part)).join(".");
}
