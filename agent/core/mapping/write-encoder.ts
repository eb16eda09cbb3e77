// From a request in the unified model's words to the source's own values, or to every problem in it at once.
import { didYouMean } from "#common/runtime/nearest-match.ts";
import type { SourceKey } from "../source/connector.ts";
import type { ChildWrite, WriteValue } from "../source/write.ts";
import { LocalTime } from "./local-time.ts";
import { show } from "./pack-reader.ts";
import { encodeCustom, encodeField, instantText, type SlotLookup } from "./value-encoder.ts";
import type { FixedInput, WriteField, WriteRows } from "./write-field.ts";

export interface WriteInput {
  readonly key: SourceKey | undefined;
  /**
   * Unified field → value, as in the API; what is left out stays as it is. References as `{ remote_key: […] }` or `{ remote_id }`,
   * columns beyond the model under `custom_fields`, rows of a list as objects.
   */
  readonly values: Readonly<Record<string, unknown>>;
  readonly commandId: string;
}

export interface WriteContext {
  /** IANA zone of local wall-clock columns. */
  readonly timeZone: string;
  /** Now, ms since the epoch. */
  readonly nowMs: number;
}

/** `field` is empty for what is wrong with the request as a whole; of rows it says which: `lines[0].quantity`. */
export interface WriteProblem {
  readonly field: string;
  readonly message: string;
}

export type EncodedWrite =
  | {
      readonly ok: true;
      readonly values: Readonly<Record<string, WriteValue>>;
      /** As in `WriteRequest`; absent where no rows were given. */
      readonly children?: Readonly<Record<string, readonly ChildWrite[]>>;
    }
  | {
      readonly ok: false;
      readonly problems: readonly WriteProblem[];
      /** Whatever the values: the plant does not let this record be written. */
      readonly isForbidden?: true;
    };

export interface WriteEncoding {
  readonly fields: readonly WriteField[];
  readonly customFields: readonly string[];
  readonly fixed: ReadonlyMap<string, FixedInput>;
  readonly rows: readonly WriteRows[];
  /** The entity's key columns. */
  readonly key: readonly string[];
  /** The record does not exist yet, nor do its rows. */
  readonly isCreating: boolean;
}

const CUSTOM = "custom_fields";
/** Of a row: it is to go. */
const REMOVED = "is_deleted";

/** Never throws. */
export function encodeWrite(encoding: WriteEncoding, input: WriteInput, context: WriteContext): EncodedWrite {
  const task = new Encoding(encoding.key, input, context);
  const { fields, customFields, fixed, rows, isCreating } = encoding;
  const lists = rows.map(({ list }) => list);
  task.checkNames(input.values, [...fields.map(({ name }) => name), ...lists], customFields, "");
  const values = task.fields(fields, customFields, input.values, "", isCreating ? "new" : "whole");
  task.withFixed(task.header, fixed);
  Object.assign(task.header, values);
  const children: Record<string, readonly ChildWrite[]> = {};
  for (const one of rows) {
    const given = input.values[one.list];
    if (given !== undefined) children[one.plan.child] = task.rows(one, given, isCreating);
  }
  const isEmpty = Object.keys(values).length + Object.keys(children).length === 0;
  const known = [...fields.map(({ name }) => name), ...customFields, ...lists];
  if (known.length > 0 && task.problems.length === 0 && isEmpty)
    task.problem("", `nothing is to be written; these fields can be: ${known.join(", ")}`);
  task.withFixed(values, fixed);
  if (task.problems.length > 0) return { ok: false, problems: task.problems };
  return { ok: true, values, ...(Object.keys(children).length === 0 ? {} : { children }) };
}

type Values = Record<string, WriteValue>;
/** `new`: what it does not give has its default; `whole`: what is required must be there; `part`: it may exist already. */
type RowState = "new" | "whole" | "part";
type Given = Readonly<Record<string, unknown>>;

class Encoding {
  readonly problems: WriteProblem[] = [];
  /** What the record's own slots hold. */
  readonly header: Values = {};
  readonly #key: readonly string[];
  readonly #input: WriteInput;
  readonly #nowMs: number;
  readonly #zone: LocalTime;

  constructor(key: readonly string[], input: WriteInput, { timeZone, nowMs }: WriteContext) {
    this.#key = key;
    this.#input = input;
    this.#nowMs = nowMs;
    this.#zone = new LocalTime(timeZone);
  }

  problem(field: string, message: string): void {
    this.problems.push({ field, message });
  }

  /** `place` is what stands before a field's name: `lines[0].`, or nothing. */
  checkNames(given: Given, known: readonly string[], customFields: readonly string[], place: string): void {
    for (const field of Object.keys(given)) {
      if (known.includes(field) || (field === CUSTOM && customFields.length > 0)) continue;
      const hint = didYouMean(field, known) || `; these can: ${known.join(", ") || "none"}`;
      this.problem(place + field, `cannot be written here${hint}`);
    }
  }

  fields(
    fields: readonly WriteField[],
    customFields: readonly string[],
    given: Given,
    place: string,
    state: RowState,
  ): Values {
    const values: Values = {};
    const lookup: SlotLookup = (slot) => values[slot] ?? this.header[slot] ?? this.#keyIn(slot);
    const isReference = ({ conversion }: WriteField): boolean => conversion.kind === "reference";
    // References may be held against what the others fill.
    for (const field of [...fields.filter((one) => !isReference(one)), ...fields.filter(isReference)]) {
      const value = given[field.name];
      if (value === undefined || (value === null && field.isRequired)) {
        const { fallback } = field;
        const isMissing = field.isRequired && (state !== "part" || value === null);
        if (isMissing) this.problem(place + field.name, "is required");
        else if (state === "new" && fallback !== undefined)
          for (const slot of field.slots) values[slot] = fallback;
        continue;
      }
      const encoded =
        value === null ? field.slots.map(() => field.empty) : encodeField(field, value, this.#zone, lookup);
      if (typeof encoded === "string") this.problem(place + field.name, encoded);
      else for (const [at, slot] of field.slots.entries()) values[slot] = encoded[at] ?? null;
    }
    if (customFields.length > 0 && given[CUSTOM] !== undefined)
      this.#custom(values, customFields, given[CUSTOM], `${place}${CUSTOM}`);
    return values;
  }

  #keyIn(slot: string): WriteValue | undefined {
    const at = this.#key.indexOf(slot);
    return at < 0 ? undefined : this.#input.key?.[at];
  }

  #custom(values: Values, known: readonly string[], given: unknown, place: string): void {
    if (!isObject(given)) {
      this.problem(place, `expected an object with the source's own names, not ${show(given)}`);
      return;
    }
    for (const [name, value] of Object.entries(given)) {
      if (!known.includes(name)) {
        const hint = didYouMean(name, known) || `; these can: ${known.join(", ")}`;
        this.problem(`${place}.${name}`, `cannot be written here${hint}`);
        continue;
      }
      const encoded = encodeCustom(value);
      if (encoded.ok) values[name] = encoded.value;
      else this.problem(`${place}.${name}`, encoded.message);
    }
  }

  rows(rows: WriteRows, given: unknown, isCreating: boolean): readonly ChildWrite[] {
    const { list, plan } = rows;
    if (!Array.isArray(given)) {
      this.problem(list, `expected a list of objects, not ${show(given)}`);
      return [];
    }
    if (given.length > plan.maxRows) {
      this.problem(list, `has ${given.length} rows; ${plan.maxRows} can be written at once`);
      return [];
    }
    const seen = new Set<string>();
    return given.map((one: unknown, at) => {
      const place = `${list}[${at}]`;
      const row = this.#row(rows, one, place, isCreating);
      const key = JSON.stringify(plan.key.map((name) => String(row.values[name] ?? "")));
      const isNumbered = plan.key.every(
        (name) => row.values[name] !== undefined && row.values[name] !== null,
      );
      if (isNumbered && seen.has(key)) this.problem(place, "has the same key as a row before it");
      seen.add(key);
      return row;
    });
  }

  #row(rows: WriteRows, given: unknown, place: string, isCreating: boolean): ChildWrite {
    const { fields, customFields, plan, fixed, initial, removal } = rows;
    if (!isObject(given)) {
      this.problem(place, `expected an object, not ${show(given)}`);
      return { values: {} };
    }
    const names = fields.map(({ name }) => name);
    this.checkNames(given, [...names, REMOVED], customFields, `${place}.`);
    const removed = given[REMOVED] ?? false;
    if (typeof removed !== "boolean")
      this.problem(`${place}.${REMOVED}`, `expected true or false, not ${show(removed)}`);
    if (removed === true) {
      if (isCreating || plan.removal === undefined)
        this.problem(`${place}.${REMOVED}`, "rows cannot be removed here");
      const keys = fields.filter(({ slots }) => slots.some((slot) => plan.key.includes(slot)));
      this.#checkKey(keys, given, place);
      const values = this.fields(keys, [], given, `${place}.`, "part");
      return { values: this.withFixed(values, removal), isRemoved: true };
    }
    const numberField = fields.find(({ slots }) => slots.includes(plan.number?.column ?? ""));
    const isNew = isCreating || (numberField !== undefined && (given[numberField.name] ?? null) === null);
    const isGiven = ({ name }: WriteField): boolean => (given[name] ?? null) !== null;
    const wanted = fields.filter((field) => field !== numberField || isGiven(field));
    const keys = wanted.filter(({ slots }) => slots.some((slot) => plan.key.includes(slot)));
    // What a new row must have the fields' own check says.
    this.#checkKey(isNew ? keys.filter(({ isRequired }) => !isRequired) : keys, given, place);
    const values = this.fields(wanted, customFields, given, `${place}.`, isNew ? "new" : "part");
    return { values: this.withFixed(values, fixed), initial: this.withFixed({}, initial) };
  }

  #checkKey(keys: readonly WriteField[], given: Given, place: string): void {
    for (const { name, isRequired } of keys) {
      const value = given[name];
      if (value === undefined || (value === null && !isRequired))
        this.problem(`${place}.${name}`, "is required: it tells the rows apart");
    }
  }

  /** What no field fills. */
  withFixed(values: Values, fixed: ReadonlyMap<string, FixedInput>): Values {
    for (const [slot, fill] of fixed) values[slot] = this.#fixedValue(fill);
    return values;
  }

  #fixedValue(fill: FixedInput): WriteValue {
    const { key, commandId } = this.#input;
    switch (fill.from) {
      case "key":
        return key?.[fill.at] ?? null;
      case "constant":
        return fill.value;
      case "now": {
        const fraction = String(this.#nowMs % 1000).padStart(3, "0");
        return instantText(Math.floor(this.#nowMs / 1000), fraction, fill.style, this.#zone);
      }
      default:
        return commandId;
    }
  }
}

function isObject(value: unknown): value is Given {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
