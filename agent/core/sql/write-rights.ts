// Which rights a pack's writes need, beyond those of reading: the least that will do, once for each object.
import type { EntityPlan, TableName } from "../source/plan.ts";
import { logTable } from "./write-shape.ts";
import type { WriteSettings } from "./write-settings.ts";

export interface WriteRight {
  readonly right: "SELECT" | "INSERT" | "UPDATE" | "EXECUTE";
  readonly object: TableName;
  /** Of an update: these columns alone. */
  readonly columns?: readonly string[];
}

/** Nothing where the settings allow no writes. */
export function writeRights(
  plans: readonly EntityPlan[],
  write: WriteSettings | undefined,
): readonly WriteRight[] {
  if (write?.isAllowed !== true) return [];
  const rights = plans.flatMap(({ table, writes = [] }) => [
    ...updateOf(table, writes),
    ...writes.flatMap((plan): WriteRight[] => {
      if (plan.form === "insert") return [{ right: "INSERT", object: table }];
      if (plan.form === "procedure") return [{ right: "EXECUTE", object: plan.procedure }];
      return plan.form === "interface_table" ? both(plan.table) : [];
    }),
  ]);
  const { commandLog } = write;
  const log = commandLog === undefined ? undefined : logTable(commandLog);
  return log === undefined ? rights : [...rights, ...both(log), { right: "UPDATE", object: log }];
}

function updateOf(object: TableName, writes: NonNullable<EntityPlan["writes"]>): readonly WriteRight[] {
  const updates = writes.filter(({ form }) => form === "update");
  const columns = new Set(updates.flatMap(({ slots }) => slots.map(({ name }) => name)));
  return columns.size === 0 ? [] : [{ right: "UPDATE", object, columns: [...columns] }];
}

function both(object: TableName): WriteRight[] {
  return [
    { right: "SELECT", object },
    { right: "INSERT", object },
  ];
}
