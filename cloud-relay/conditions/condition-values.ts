// An event as conditions see it: whole numbers are whole, and neither texts nor lists are longer than a condition can afford.

/** Longer texts are looked at in their beginning only. */
const MAX_TEXT_CHARS = 16 * 1_024;
/** A condition over an event with a longer list does not match. */
const MAX_LIST = 1_000;

/** Of one event for all endpoints' conditions. */
const converted = new WeakMap<Readonly<Record<string, unknown>>, unknown>();

/** @throws RangeError for a list that is too long */
export function conditionValues(event: Readonly<Record<string, unknown>>): unknown {
  const known = converted.get(event);
  if (known !== undefined) return known;
  const made = convert(event);
  converted.set(event, made);
  return made;
}

function convert(value: unknown): unknown {
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value === "string")
    return value.length > MAX_TEXT_CHARS ? value.slice(0, MAX_TEXT_CHARS) : value;
  if (Array.isArray(value)) {
    if (value.length > MAX_LIST) throw new RangeError(`a list of ${value.length} elements`);
    return value.map(convert);
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, convert(member)]));
}
