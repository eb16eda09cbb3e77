// Whether one value fits a field that a write takes, as its connection describes it.
import type { WritableField } from "#common/contract/description.ts";

const DECIMAL = /^-?(0|[1-9]\d*)(\.\d+)?$/;
const INTEGER = /^-?(0|[1-9]\d*)$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;
const INSTANT = /^(\d{4}-\d{2}-\d{2})T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})$/;
const MAX_DECIMAL_CHARS = 60;
/** What people see of a value that does not fit. */
const MAX_SHOWN_CHARS = 60;

/** What is wrong with it, or undefined. Types that are not known here are the plant's to judge. */
export function valueProblem(field: WritableField, value: unknown): string | undefined {
  if (value === null) return field.required ? "is required and must not be null" : undefined;
  return typeProblem(field, value) ?? listedProblem(field, value) ?? rangeProblem(field, value);
}

function typeProblem({ type, max_length: maxLength }: WritableField, value: unknown): string | undefined {
  switch (type) {
    case "text":
      if (typeof value !== "string") return `must be text, not ${show(value)}`;
      if (maxLength === undefined || value.length <= maxLength) return undefined;
      return `has ${value.length} characters; the source takes ${maxLength}`;
    case "enum":
      return typeof value === "string" ? undefined : `must be text, not ${show(value)}`;
    case "decimal":
      return isDecimal(value, DECIMAL)
        ? undefined
        : `must be a decimal as text such as "12.50", not ${show(value)}`;
    case "integer":
      return isDecimal(value, INTEGER) ? undefined : `must be a whole number, not ${show(value)}`;
    case "number":
      return typeof value === "number" && Number.isFinite(value)
        ? undefined
        : `must be a number, not ${show(value)}`;
    case "boolean":
      return typeof value === "boolean" ? undefined : `must be true or false, not ${show(value)}`;
    case "date":
      return isDate(value, DATE) ? undefined : `must be a date such as 2026-05-04, not ${show(value)}`;
    case "instant":
      return isDate(value, INSTANT)
        ? undefined
        : `must be an instant such as 2026-05-04T08:00:00Z, not ${show(value)}`;
    case "reference":
      return isReference(value)
        ? undefined
        : `must be a reference, {"id": …} or {"remote_id": …}, not ${show(value)}`;
    default:
      return undefined;
  }
}

function listedProblem({ values }: WritableField, value: unknown): string | undefined {
  if (values === undefined || values.includes(String(value))) return undefined;
  return `must be one of ${values.join(", ")}, not ${show(value)}`;
}

function rangeProblem({ minimum, maximum }: WritableField, value: unknown): string | undefined {
  if (minimum === undefined && maximum === undefined) return undefined;
  const text = String(value);
  if (!DECIMAL.test(text)) return undefined;
  if (minimum !== undefined && compareDecimals(text, minimum) < 0) return `must be at least ${minimum}`;
  if (maximum !== undefined && compareDecimals(text, maximum) > 0) return `must be at most ${maximum}`;
  return undefined;
}

/** Exact: below, equal or above zero as `a` is below, equal or above `b`. What is no decimal is equal to anything. */
export function compareDecimals(a: string, b: string): number {
  if (!DECIMAL.test(a) || !DECIMAL.test(b)) return 0;
  const places = Math.max(placesOf(a), placesOf(b));
  const difference = scaled(a, places) - scaled(b, places);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

function placesOf(text: string): number {
  const point = text.indexOf(".");
  return point < 0 ? 0 : text.length - point - 1;
}

function scaled(text: string, places: number): bigint {
  const digits = text.replace(".", "") + "0".repeat(places - placesOf(text));
  return BigInt(digits);
}

function isDecimal(value: unknown, form: RegExp): boolean {
  if (typeof value === "number") return Number.isSafeInteger(value);
  return typeof value === "string" && value.length <= MAX_DECIMAL_CHARS && form.test(value);
}

function isDate(value: unknown, form: RegExp): boolean {
  if (typeof value !== "string" || !form.test(value)) return false;
  const day = value.slice(0, 10);
  const at = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(day) && !Number.isNaN(Date.parse(value));
}

/** `{id}` of a record of the same connection, or the source's own key as `{remote_id}` or `{remote_key}`. */
export function isReference(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const { id, remote_id: remoteId, remote_key: remoteKey } = value as Readonly<Record<string, unknown>>;
  if (typeof id === "string" || typeof remoteId === "string") return true;
  return typeof remoteKey === "object" && remoteKey !== null;
}

export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length <= MAX_SHOWN_CHARS ? text : `${text.slice(0, MAX_SHOWN_CHARS)}…`;
}
