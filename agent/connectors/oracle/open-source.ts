// Everything that is found out when a connection opens: tables, rights, change numbers, and which database this is.
import type { ChangeStrategy, EntityPlan, TableName } from "#agent/core/source/plan.ts";
import { quoteTable, type TableFacts, tableLabel } from "#agent/core/sql/dialect.ts";
import { type EntityShape, shapeEntities, type TableShape } from "#agent/core/sql/table-shape.ts";
import { shapeWrites, type WriteShapes, writeTables } from "#agent/core/sql/write-shape.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import { type OracleCatalogue, readCatalogue } from "./catalogue.ts";
import type { ChoiceContext, TableRights } from "./change-choice.ts";
import { type ConnectionZone, readClockHint } from "./clock-zone.ts";
import type { OracleSession } from "./connection.ts";
import type { OracleSettings } from "./definition.ts";
import { ORACLE_DIALECT } from "./dialect.ts";
import { grantSelect, isWithoutRight } from "./failures.ts";
import { readIdentity } from "./identity.ts";
import { type ProcedureNames, readProcedures } from "./procedures.ts";
import { boundForWriting, planOfTable } from "./write-source.ts";
import { findScnSource, type ScnSource, tries } from "./scn.ts";

export interface OpenedSource {
  readonly identity: string;
  readonly shapes: readonly EntityShape[];
  readonly choice: ChoiceContext;
  /** Undefined where the settings allow no writes. */
  readonly writes: { readonly shapes: WriteShapes; readonly procedures: ProcedureNames } | undefined;
}

/** @throws ConnectorError misconfigured naming everything that the plans ask for and the source has not */
export async function openSource(
  session: OracleSession,
  plans: readonly EntityPlan[],
  settings: OracleSettings,
  zone: ConnectionZone,
): Promise<OpenedSource> {
  const identity = await readIdentity(session);
  const clockHint = await readClockHint(session, zone);
  const scn = await findScnSource(session);
  const { isAllowed, commandLog } = settings.write;
  const further = isAllowed ? writeTables(plans, commandLog).map(planOfTable) : [];
  const catalogue = await readCatalogue(session, [...plans, ...further], settings);
  const usable = withHorizons(catalogue, scn);
  const fitting = plans.map((plan) => withOverlap(plan, usable, settings.maxTransactionMs));
  const shapes = withGrants(usable, settings, () => shapeEntities(fitting, usable));
  const writes = isAllowed
    ? {
        shapes: withGrants(usable, settings, () =>
          boundForWriting(
            shapeWrites(shapes, usable, commandLog, { hasProcedures: true, hasSequences: true }),
          ),
        ),
        procedures: await readProcedures(session, plans, settings),
      }
    : undefined;
  const tables = new Map<string, TableRights>();
  const denied: TableName[] = [];
  for (const shape of shapes.flatMap((entity): readonly TableShape[] => [entity, ...entity.children])) {
    const { table } = shape.facts;
    const label = tableLabel(table);
    if (tables.has(label)) continue;
    const name = quoteTable(ORACLE_DIALECT, table);
    if (!(await mayRead(session, name))) denied.push(table);
    const traits = catalogue.traits(table);
    const canFlashback =
      scn !== undefined && traits.isTable && (await tries(session, await pastProbe(session, name, scn)));
    tables.set(label, { ...traits, canFlashback });
  }
  if (denied.length > 0) throw missingRights(denied, settings);
  const rights = (shape: TableShape): TableRights => tables.get(tableLabel(shape.facts.table))!;
  return { identity, shapes, choice: { settings, scn, rights, clockHint }, writes };
}

/** Any other refusal (a view with errors, say) is a failure of its own. */
async function mayRead(session: OracleSession, name: string): Promise<boolean> {
  try {
    await session.query({ text: `SELECT 1 FROM ${name} WHERE 1 = 0`, parameters: [] });
    return true;
  } catch (error) {
    if (isWithoutRight(error)) return false;
    throw error;
  }
}

async function pastProbe(session: OracleSession, name: string, { query }: ScnSource): Promise<string> {
  const [row] = await session.query({ text: query, parameters: [] });
  return `SELECT 1 FROM ${name} AS OF SCN ${String(row?.[0])} WHERE 1 = 0`;
}

/** Rows of a table carry the number of their commit; it helps where the database's present number can be asked for. */
function withHorizons(catalogue: OracleCatalogue, scn: ScnSource | undefined): OracleCatalogue {
  const table = (name: TableName): TableFacts | undefined => {
    const facts = catalogue.table(name);
    return facts && { ...facts, hasHorizon: scn !== undefined && catalogue.traits(name).isTable };
  };
  return { ...catalogue, table };
}

/** With change numbers the overlap costs a little of an index and nothing else: it can be as long as transactions may last. */
function withOverlap(plan: EntityPlan, catalogue: OracleCatalogue, leastMs: number): EntityPlan {
  const widen = (change: ChangeStrategy, table: TableName): ChangeStrategy =>
    change.kind === "timestamp" && catalogue.table(table)?.hasHorizon === true
      ? { ...change, overlapMs: Math.max(change.overlapMs, leastMs) }
      : change;
  return {
    ...plan,
    change: widen(plan.change, plan.table),
    children: plan.children.map((child) =>
      child.change === undefined
        ? child
        : Object.assign({}, child, { change: widen(child.change, child.table) }),
    ),
  };
}

/** A table that may not be read is not even seen: both readings of "no such table" are told; so are types that cannot be read. */
function withGrants<T>(catalogue: OracleCatalogue, settings: OracleSettings, shape: () => T): T {
  try {
    return shape();
  } catch (error) {
    if (!(error instanceof ConnectorError)) throw error;
    const { invisible, elsewhere, unreadable, isNothingVisible } = catalogue;
    const hidden = invisible.filter(({ name }) => !elsewhere.some((one) => isNamed(one, name)));
    const said = [
      error.message,
      ...(isNothingVisible ? [NOTHING_VISIBLE] : []),
      ...(elsewhere.length === 0 ? [] : [`${ELSEWHERE} ${elsewhere.map(tableLabel).join(", ")}`]),
      ...(hidden.length === 0 ? [] : [`${HIDDEN}\n${grantsFor(hidden, settings)}`]),
      ...(unreadable.length === 0
        ? []
        : [`${UNREADABLE}\n${unreadable.map((line) => `  ${line}`).join("\n")}`]),
    ];
    throw new ConnectorError(error.kind, said.join("\n"), { cause: error });
  }
}

function isNamed(table: TableName, name: string): boolean {
  return table.name.toUpperCase() === name.toUpperCase();
}

const NOTHING_VISIBLE =
  "None of the pack's tables can be seen: is it the right pack, and the right database? millrace-agent discover names the packs whose tables this user sees.";
const ELSEWHERE =
  "Other schemas have tables of these names; set schema to the right one, or name it in the pack:";
const HIDDEN =
  "Oracle does not show tables that a user has no right to. Where they exist, have their owner run:";
const UNREADABLE =
  "Columns of these types cannot be read as the pack says. Leave them out of it, or have their owner make a view that gives them as VARCHAR2 or CLOB:";

function missingRights(tables: readonly TableName[], settings: OracleSettings): ConnectorError {
  const many = tables.length === 1 ? "a table" : `${tables.length} tables`;
  return new ConnectorError(
    "misconfigured",
    `The user ${settings.user} may not read ${many} that the pack needs. Have an administrator run:\n${grantsFor(tables, settings)}`,
  );
}

function grantsFor(tables: readonly TableName[], { user, schema }: OracleSettings): string {
  const names = tables.map((table) => {
    const owner = table.schema ?? schema;
    return quoteTable(ORACLE_DIALECT, {
      ...(owner === undefined ? {} : { schema: owner.toUpperCase() }),
      name: table.name.toUpperCase(),
    });
  });
  return [...new Set(names)].map((name) => `  ${grantSelect(name, user)}`).join("\n");
}
