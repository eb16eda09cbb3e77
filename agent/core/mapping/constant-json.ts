// The JSON text of a constant that a pack gives for a field.
import { DateOnly, Instant } from "#common/contract/model/fields.ts";
import { plainDecimal } from "./decimal.ts";
import { patternOf, type FieldKind } from "./unified-fields.ts";

/** Undefined where the value does not fit the field's kind. */
export function constantJson(kind: FieldKind, value: unknown): string | undefined {
  if (value === null) return "null";
  const text = typeof value === "string" || typeof value === "number" ? String(value) : undefined;
  const matches = (pattern = ""): boolean => text !== undefined && new RegExp(pattern, "u").test(text);
  const quoted = text === undefined ? undefined : JSON.stringify(text);
  switch (kind.kind) {
    case "text":
      return text !== undefined && text.length <= kind.maxLength ? quoted : undefined;
    case "enum":
      return text !== undefined && kind.values.includes(text) ? quoted : undefined;
    case "decimal": {
      const plain = text === undefined ? undefined : plainDecimal(text);
      return plain === undefined ? undefined : JSON.stringify(plain);
    }
    case "instant":
      return matches(patternOf(Instant)) && (text?.length ?? 0) <= 30 ? quoted : undefined;
    case "date":
      return matches(patternOf(DateOnly)) ? quoted : undefined;
    case "boolean":
      return typeof value === "boolean" ? String(value) : undefined;
    case "number":
      return typeof value === "number" && Number.isFinite(value) ? String(value) : undefined;
    default:
      return undefined;
  }
}
