// A relative change of one amount: one statement that the source carries out whole or not at all, and its result.
import type { AdjustPlan } from "../source/write.ts";
import { keyText } from "./cursor-values.ts";
import { type ColumnFacts, tableLabel } from "./dialect.ts";
import { joinColumns } from "./statements.ts";
import type { Outputs, WriteJob } from "./write-job.ts";
import { parentValues } from "./write-rows.ts";
import { type SqlWriteSession, WriteRefused } from "./write-source.ts";
import { adjustRows, type Filled, ownRow, type RowsWhere, selectRows } from "./write-statements.ts";

/** The amount as it is afterwards, under its column's name. @throws WriteRefused, ConnectorError */
export async function adjustAmount(
  session: SqlWriteSession,
  job: WriteJob,
  plan: AdjustPlan,
): Promise<Outputs> {
  const { source, shape, request } = job;
  const { dialect } = source;
  const column = shape.columns.get(plan.column)!;
  const change = request.values[plan.column] ?? null;
  if (change === null)
    throw new WriteRefused("VALUE", `What is to be added to ${plan.column} was not given.`);
  const rows = await rowsOf(session, job, plan);
  const amount = { column, change: String(change), min: plan.min, max: plan.max };
  const count = await session.execute(adjustRows(dialect, rows, amount, further(job, plan)));
  const label = tableLabel(rows.table.table);
  if (count > 1)
    throw new WriteRefused(
      "NOT_ONE_ROW",
      `Adjusting ${label} changed ${count} rows instead of one; nothing was kept. Say which row is meant: ${plan.match.join(", ") || "the pack names no columns for that"}.`,
    );
  const found = await session.query(selectRows(dialect, rows, [column]));
  if (count === 1) return { [plan.column]: valueOf(found) };
  if (found.length === 0)
    throw new WriteRefused("REFUSED", `${label} has no row of these values: ${told(job, plan)}.`);
  throw new WriteRefused("REFUSED", whyNot(plan, valueOf(found), String(change)));
}

function whyNot({ column, min, max }: AdjustPlan, value: string | null, change: string): string {
  if (value === null) return `${column} is empty: there is no amount to which ${change} could be added.`;
  const bounds = [
    ...(min === undefined ? [] : [`not below ${min}`]),
    ...(max === undefined ? [] : [`not above ${max}`]),
  ];
  return `${column} is ${value}: with ${change} it would leave its bounds (${bounds.join(", ")}). Nothing was changed.`;
}

/** The record's own row, or the child's row that the request names. */
async function rowsOf(session: SqlWriteSession, job: WriteJob, plan: AdjustPlan): Promise<RowsWhere> {
  const { source, shape, request } = job;
  const { child, entity } = shape;
  const key = request.key!;
  if (child === undefined) return ownRow(entity, key);
  const parent = await parentValues(session, source, entity, child, key);
  const given = plan.match.filter((name) => request.values[name] !== undefined);
  return {
    table: child.facts,
    filters: child.filters,
    columns: [...joinColumns(child), ...given.map((name): ColumnFacts => shape.columns.get(name)!)],
    values: [...parent, ...given.map((name) => request.values[name] ?? null)],
  };
}

/** What the write fills beside the amount. */
function further({ shape, request }: WriteJob, { column, match, slots }: AdjustPlan): readonly Filled[] {
  return slots.flatMap(({ name, cast }): Filled[] => {
    const value = request.values[name];
    if (value === undefined || name === column || match.includes(name)) return [];
    return [{ column: shape.columns.get(name)!, value, cast }];
  });
}

function told({ request }: WriteJob, { match }: AdjustPlan): string {
  const given = match.flatMap((name) => {
    const value = request.values[name];
    return value === undefined ? [] : [`${name} ${String(value)}`];
  });
  return given.join(", ") || "none were given";
}

function valueOf(rows: readonly (readonly Parameters<typeof keyText>[0][])[]): string | null {
  return keyText(rows[0]?.[0] ?? null);
}
