// Which rights a pack's writes need, beyond those of reading: the least that will do, once for each object.
import type { EntityPlan, TableName } from "../source/plan.ts";
import type { ChildWritePlan, WritePlan } from "../source/write.ts";
import { logTable } from "./write-shape.ts";
import type { WriteSettings } from "./write-settings.ts";

/** `LOCK`: rows are held while something is done to them, which some sources want a right for; `NEXT`: a sequence's next value. */
export interface WriteRight {
  readonly right: "SELECT" | "INSERT" | "UPDATE" | "DELETE" | "EXECUTE" | "LOCK" | "NEXT";
  readonly object: TableName;
  /** Of an update or lock: these columns alone. */
  readonly columns?: readonly string[];
}

/** Nothing where the settings allow no writes. */
export function writeRights(
  plans: readonly EntityPlan[],
  write: WriteSettings | undefined,
): readonly WriteRight[] {
  if (write?.isAllowed !== true) return [];
  const rights = plans.flatMap((entity) =>
    (entity.writes ?? []).flatMap((plan) => rightsOf(entity, plan).concat(rightsOfRows(entity, plan))),
  );
  const { commandLog } = write;
  const log = commandLog === undefined ? undefined : logTable(commandLog);
  const all: readonly WriteRight[] =
    log === undefined ? rights : [...rights, ...both(log), { right: "UPDATE", object: log }];
  return merged(all);
}

function rightsOf(entity: EntityPlan, plan: WritePlan): readonly WriteRight[] {
  const object = entity.table;
  const names = plan.slots.map(({ name }) => name);
  const lock: WriteRight = { right: "LOCK", object, columns: entity.key };
  switch (plan.form) {
    case "insert":
      return [{ right: "INSERT", object }, ...(plan.next ?? []).flatMap(rightsOfNext)];
    case "procedure":
      return [{ right: "EXECUTE", object: plan.procedure }];
    case "interface_table":
      return both(plan.table);
    case "delete":
      return [lock, { right: "DELETE", object }];
    case "adjust": {
      const table = plan.child === undefined ? object : tableOf(entity, plan.child);
      const set = names.filter((name) => !plan.match.includes(name));
      return [lock, { right: "UPDATE", object: table, columns: set }];
    }
    default:
      return names.length === 0 ? [lock] : [{ right: "UPDATE", object, columns: names }];
  }
}

function rightsOfNext(
  next: NonNullable<(WritePlan & { form: "insert" })["next"]>[number],
): readonly WriteRight[] {
  if (next.from === "sequence") return [{ right: "NEXT", object: next.sequence }];
  return [
    { right: "SELECT", object: next.table },
    { right: "UPDATE", object: next.table, columns: [next.counter] },
  ];
}

/** Of children that are written or removed with their parent. */
function rightsOfRows(entity: EntityPlan, plan: WritePlan): readonly WriteRight[] {
  if (plan.form === "delete")
    return plan.children.map((name) => ({ right: "DELETE", object: tableOf(entity, name) }));
  if (plan.form !== "insert" && plan.form !== "update") return [];
  return (plan.children ?? []).flatMap((rows) => {
    const added: WriteRight = { right: "INSERT", object: tableOf(entity, rows.child) };
    return plan.form === "insert" ? [added] : [added].concat(rightsToChange(entity, rows));
  });
}

function rightsToChange(entity: EntityPlan, { child, slots, key, removal }: ChildWritePlan): WriteRight[] {
  const object = tableOf(entity, child);
  const columns = slots.map(({ name }) => name).filter((name) => !key.includes(name));
  return [
    ...(columns.length === 0 ? [] : [{ right: "UPDATE" as const, object, columns }]),
    ...(removal === "delete" ? [{ right: "DELETE" as const, object }] : []),
  ];
}

function tableOf({ children, table }: EntityPlan, name: string): TableName {
  return children.find((child) => child.name === name)?.table ?? table;
}

function both(object: TableName): WriteRight[] {
  return [
    { right: "SELECT", object },
    { right: "INSERT", object },
  ];
}

/** Each right to each object once, with all its columns; what may be updated need not be allowed to be locked. */
function merged(rights: readonly WriteRight[]): readonly WriteRight[] {
  const byObject = new Map<string, { right: WriteRight; columns: Set<string>; isWhole: boolean }>();
  const placeOf = ({ right, object }: WriteRight): string => `${right} ${JSON.stringify(object)}`;
  for (const right of rights) {
    const place = placeOf(right);
    const known = byObject.get(place) ?? { right, columns: new Set<string>(), isWhole: false };
    for (const column of right.columns ?? []) known.columns.add(column);
    byObject.set(place, { ...known, isWhole: known.isWhole || right.columns === undefined });
  }
  return [...byObject.values()].flatMap(({ right, columns, isWhole }): WriteRight[] => {
    const { object } = right;
    if (right.right === "LOCK" && byObject.has(placeOf({ right: "UPDATE", object }))) return [];
    return [{ right: right.right, object, ...(isWhole ? {} : { columns: [...columns] }) }];
  });
}
