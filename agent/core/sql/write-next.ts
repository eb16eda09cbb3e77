// Values that the source counts on for new records: from a sequence, or from a counter's row, locked until the commit.
import type { WriteValue } from "../source/write.ts";
import { keyText } from "./cursor-values.ts";
import { type SqlRow, tableLabel } from "./dialect.ts";
import type { WriteJob } from "./write-job.ts";
import type { NextShape } from "./write-shape.ts";
import { type SqlWriteSession, WriteRefused } from "./write-source.ts";
import { countOn, type RowsWhere, selectRows } from "./write-statements.ts";

/** By column, for those that the request does not give. @throws WriteRefused, ConnectorError */
export async function nextValues(
  session: SqlWriteSession,
  job: WriteJob,
): Promise<Readonly<Record<string, WriteValue>>> {
  const { shape, request } = job;
  const values: Record<string, WriteValue> = {};
  for (const one of shape.next) {
    const { column, prefix, digits } = one.next;
    if ((request.values[column] ?? null) !== null) continue;
    values[column] = prefix + (await nextNumber(session, job, one)).padStart(digits, "0");
  }
  return values;
}

async function nextNumber(
  session: SqlWriteSession,
  { source, request }: WriteJob,
  { next, counters }: NextShape,
): Promise<string> {
  if (next.from === "sequence")
    return numberIn(await session.query(source.nextOf!(next.sequence)), tableLabel(next.sequence));
  const { table, columns } = counters!;
  const rows: RowsWhere = {
    table,
    filters: [],
    columns: next.where.map(({ column }) => columns.get(column)!),
    values: next.where.map(({ equals }) =>
      "slot" in equals ? (request.values[equals.slot] ?? null) : equals.value,
    ),
  };
  const counter = columns.get(next.counter)!;
  const count = await session.execute(countOn(source.dialect, rows, counter));
  if (count === 1)
    return numberIn(
      await session.query(selectRows(source.dialect, rows, [counter])),
      tableLabel(table.table),
    );
  throw new WriteRefused(
    "REFUSED",
    `${tableLabel(table.table)} has ${count} rows that could give the next ${next.column} (${rows.values.join(", ")}), not one. Give ${next.column} yourself, or correct the pack's key.`,
  );
}

function numberIn(rows: readonly SqlRow[], label: string): string {
  const text = keyText(rows[0]?.[0] ?? null)?.replace(/\.0+$/, "");
  if (text !== undefined && /^\d+$/.test(text)) return text;
  throw new WriteRefused("REFUSED", `${label} gave ${JSON.stringify(text ?? null)} as the next number.`);
}
