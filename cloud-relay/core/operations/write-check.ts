// Holds a write against what its connection describes, before the plant is asked: every problem at once.
import type {
  ConnectionDescription,
  EntityDescription,
  WritableField,
  WriteDescription,
} from "#common/contract/description.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { RELAY_MEMBERS } from "../ingest/record-check.ts";
import { plantStatus } from "../commands/command-problem.ts";
import { Problem, type ProblemIssue } from "../problem.ts";
import type { ConnectionRow } from "../store.ts";
import { show, valueProblem } from "./value-check.ts";

export type Values = Readonly<Record<string, unknown>>;

/** Rows of one list in one write. */
const MAX_ROWS = 500;
const CUSTOM = "custom_fields";
/** Of the names of the fields that are given under it. */
const CUSTOM_PREFIX = `${CUSTOM}.`;
/** Of a row: it is to go. */
const REMOVED = "is_deleted";
/** All other operations are actions. */
const PLAIN: ReadonlySet<string> = new Set(["create", "update", "delete"]);
const NOWHERE: ReadonlyMap<string, string> = new Map();

/**
 * What the connection says of the operation.
 * @throws Problem UNSUPPORTED_OPERATION, NOT_ALLOWED_BY_PLANT, SYSTEM_UNREACHABLE while nothing is known of the connection
 */
export function describedWrite(
  connection: ConnectionRow,
  entity: string,
  operation: string,
): WriteDescription {
  const { description } = connection;
  if (description === undefined) {
    const detail =
      "This connection has not described itself yet: what can be written is known once its agent has been connected with it.";
    throw new Problem("SYSTEM_UNREACHABLE", detail, { connectionStatus: plantStatus(connection) });
  }
  const own = description.entities.find((one) => one.entity === entity);
  const write = own?.writes.find((one) => one.operation === operation);
  if (write === undefined) throw unsupported(description, own, entity, operation);
  if (write.policy !== "refuse") return write;
  const why = write.reason === undefined ? "" : `: ${write.reason}`;
  throw new Problem("NOT_ALLOWED_BY_PLANT", `The plant does not allow ${operation} of ${entity}${why}.`);
}

/** Fields that an action of the entity writes, and which one: often sought in an update. */
export function actionFields({ description }: ConnectionRow, entity: string): ReadonlyMap<string, string> {
  const { writes = [] } = description?.entities.find((one) => one.entity === entity) ?? {};
  const actions = writes.filter(({ operation, policy }) => !PLAIN.has(operation) && policy !== "refuse");
  return new Map(actions.flatMap(({ fields, operation }) => fields.map(({ name }) => [name, operation])));
}

/** Everything that is wrong with the values; pointers into the body, under `root`. */
export function writeIssues(
  write: WriteDescription,
  values: Values,
  root = "#",
  elsewhere: ReadonlyMap<string, string> = NOWHERE,
): readonly ProblemIssue[] {
  const { fields, children = [], operation } = write;
  const isCreating = operation === "create";
  const lists = new Map(children.map((child) => [child.name, child.fields]));
  const issues = objectIssues(fields, [...lists.keys()], values, root, true, elsewhere);
  for (const [name, rowFields] of lists) {
    const rows = values[name];
    if (rows === undefined || rows === null) continue;
    const place = `${root}/${name}`;
    if (!Array.isArray(rows)) {
      issues.push({ pointer: place, detail: `must be a list of objects, not ${show(rows)}` });
    } else if (rows.length > MAX_ROWS) {
      issues.push({ pointer: place, detail: `has ${rows.length} rows; ${MAX_ROWS} are possible` });
    } else {
      for (const [at, row] of rows.entries())
        issues.push(...rowIssues(rowFields, row, `${place}/${at}`, isCreating));
    }
  }
  return issues;
}

export function invalidValues(issues: readonly ProblemIssue[]): Problem {
  const [first] = issues;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : "";
  const detail = `The values cannot be written: ${first?.pointer.replace(/^#\//, "") ?? ""} ${first?.detail ?? ""}${more}.`;
  return new Problem("VALIDATION_FAILED", detail, { errors: issues });
}

function rowIssues(
  fields: readonly WritableField[],
  row: unknown,
  place: string,
  isCreating: boolean,
): readonly ProblemIssue[] {
  if (!isObject(row)) return [{ pointer: place, detail: `must be an object, not ${show(row)}` }];
  const removed = row[REMOVED];
  const issues = objectIssues(fields, [REMOVED], row, place, isCreating && removed !== true);
  if (removed !== undefined && typeof removed !== "boolean")
    issues.push({ pointer: `${place}/${REMOVED}`, detail: `must be true or false, not ${show(removed)}` });
  return issues;
}

function objectIssues(
  fields: readonly WritableField[],
  others: readonly string[],
  values: Values,
  root: string,
  isWhole: boolean,
  elsewhere = NOWHERE,
): ProblemIssue[] {
  const issues: ProblemIssue[] = [];
  const own = fields.filter(({ name }) => !name.startsWith(CUSTOM_PREFIX));
  const known = new Set([...own.map(({ name }) => name), ...others, CUSTOM]);
  for (const name of Object.keys(values)) {
    if (known.has(name)) continue;
    const action = elsewhere.get(name);
    const detail =
      action === undefined
        ? unknownField(name, known)
        : `is not written like this but by the action ${action}`;
    issues.push({ pointer: pointerTo(root, name), detail });
  }
  for (const field of own) {
    const value = values[field.name];
    if (value === undefined) {
      if (field.required && isWhole)
        issues.push({ pointer: pointerTo(root, field.name), detail: "is required" });
      continue;
    }
    const detail = valueProblem(field, value);
    if (detail !== undefined) issues.push({ pointer: pointerTo(root, field.name), detail });
  }
  return [...issues, ...customIssues(fields, values[CUSTOM], `${root}/${CUSTOM}`)];
}

function customIssues(
  fields: readonly WritableField[],
  given: unknown,
  root: string,
): readonly ProblemIssue[] {
  if (given === undefined || given === null) return [];
  if (!isObject(given)) return [{ pointer: root, detail: `must be an object, not ${show(given)}` }];
  const known = fields.flatMap(({ name }) =>
    name.startsWith(CUSTOM_PREFIX) ? name.slice(CUSTOM_PREFIX.length) : [],
  );
  return Object.entries(given).flatMap(([name, value]) => {
    const pointer = pointerTo(root, name);
    if (!known.includes(name)) {
      const hint = didYouMean(name, known) || `; these can: ${known.join(", ") || "none"}`;
      return { pointer, detail: `cannot be written here${hint}` };
    }
    if (typeof value !== "object" || value === null) return [];
    return { pointer, detail: `must be text, a number, true, false or null, not ${show(value)}` };
  });
}

function unknownField(name: string, known: ReadonlySet<string>): string {
  if (RELAY_MEMBERS.has(name)) return "is the relay's own; it cannot be written";
  const names = [...known].filter((one) => one !== CUSTOM && one !== REMOVED);
  const hint = didYouMean(name, names);
  return `cannot be written here${hint === "" ? `; these can: ${names.join(", ") || "none"}` : hint}`;
}

function unsupported(
  description: ConnectionDescription,
  own: EntityDescription | undefined,
  entity: string,
  operation: string,
): Problem {
  if (own === undefined) {
    const there = description.entities.map((one) => one.entity).join(", ") || "nothing yet";
    return new Problem(
      "UNSUPPORTED_OPERATION",
      `This connection has no ${entity}; it has ${there}. GET /v1/connections/{id}/capabilities tells what can be done.`,
    );
  }
  const names = own.writes.map((one) => one.operation);
  const hint = didYouMean(operation, names);
  const there = names.length === 0 ? "nothing of it can be written" : `possible: ${names.join(", ")}${hint}`;
  const why = description.read_only === undefined ? "" : ` ${description.read_only}`;
  return new Problem(
    "UNSUPPORTED_OPERATION",
    `This connection has no operation ${operation} for ${entity}; ${there}.${why}`,
  );
}

function pointerTo(root: string, name: string): string {
  return `${root}/${name.slice(0, 200).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

export function isObject(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
