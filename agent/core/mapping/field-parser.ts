// Reads a pack's field mappings, guided by the kind of the unified field that each one is for.
import { didYouMean } from "#common/runtime/nearest-match.ts";
import type { DocumentPath } from "#common/runtime/yaml-document.ts";
import type { TimestampFormat } from "../source/plan.ts";
import { parseCodes, type CodeLists } from "./code-parser.ts";
import { constantJson } from "./constant-json.ts";
import { plainDecimal } from "./decimal.ts";
import type { FieldSpec, KeyPart, MatchPair, Members, ValueSource } from "./field-spec.ts";
import { show, type PackObject, type PackReader } from "./pack-reader.ts";
import { REFERENCE_TARGETS, type FieldKind, type UnifiedFields } from "./unified-fields.ts";

export const TIMESTAMP_FORMATS = ["utc", "local", "epoch_s", "epoch_ms", "yyyymmdd", "cyyddd"] as const;
const SOURCE_KEYS = ["column", "from", "match", "first_of"];

/** A reference as it was found, to be checked against its target's key once every entity is known. */
export interface FoundReference {
  readonly entity: string;
  readonly parts: number;
  readonly path: DocumentPath;
}

export interface FieldScope {
  readonly reader: PackReader;
  readonly codeLists: CodeLists;
  readonly timestamps: TimestampFormat;
  /** Lookups and children by name, which `from` and `over` may name. */
  readonly related: readonly string[];
  readonly references: FoundReference[];
  /** Inside a child: `from: parent` is possible. */
  readonly hasParent: boolean;
}

export class FieldParser {
  readonly #scope: FieldScope;
  readonly #reader: PackReader;

  constructor(scope: FieldScope) {
    this.#scope = scope;
    this.#reader = scope.reader;
  }

  /** The members of a record, child item or nested object; `native_*` texts are added beside their enumerations. */
  members(value: unknown, path: DocumentPath, fields: UnifiedFields): Members {
    const object = this.#reader.mapping(value ?? {}, path) ?? {};
    const specs = new Map<string, FieldSpec>();
    for (const [name, written] of Object.entries(object)) {
      const kind = fields.byName.get(name);
      if (kind === undefined) {
        const hint = didYouMean(name, fields.byName.keys());
        const advice = hint === "" ? "; what the model does not have belongs into custom_fields" : hint;
        this.#reader.problem([...path, name], `the unified model has no such field${advice}`, "key");
        continue;
      }
      const spec = this.#field(kind, written, [...path, name]);
      if (spec === undefined) continue;
      specs.set(name, spec);
      const native = `native_${name}`;
      if (spec.form === "among" && fields.byName.has(native) && !Object.hasOwn(object, native))
        specs.set(native, { form: "each", over: spec.over, column: spec.column, isList: false });
      if (spec.form === "enum" && fields.byName.has(native) && !Object.hasOwn(object, native))
        specs.set(native, this.#native(spec, written, [...path, name]));
    }
    return [...fields.byName.keys()].flatMap((name) => {
      const spec = specs.get(name);
      return spec === undefined ? [] : [[name, spec] as const];
    });
  }

  /** A field outside the model's list, such as `updated_at`. */
  instant(value: unknown, path: DocumentPath): FieldSpec | undefined {
    return this.#field({ kind: "instant" }, value, path);
  }

  #field(kind: FieldKind, value: unknown, path: DocumentPath): FieldSpec | undefined {
    if (isObject(value) && Object.hasOwn(value, "value")) return this.#constant(kind, value, path);
    switch (kind.kind) {
      case "text":
        return this.#text(kind.maxLength, value, path);
      case "enum":
        return this.#enum(kind.values, value, path);
      case "decimal":
        return this.#decimal(value, path);
      case "instant":
        return this.#instant(value, path);
      case "date":
        return this.#date(value, path);
      case "boolean":
        return this.#boolean(value, path);
      case "number": {
        const source = this.source(value, path);
        return source && { form: "number", source };
      }
      case "reference":
        return this.#reference(value, path);
      case "object": {
        const members = this.members(value, path, kind.fields);
        return { form: "object", members };
      }
      default:
        return this.#list(kind.item, value, path);
    }
  }

  /** `COLUMN`, `{ column, from }` or `{ first_of: […] }`; `extra` keys are the caller's. */
  source(value: unknown, path: DocumentPath, extra: readonly string[] = []): ValueSource | undefined {
    if (typeof value === "string" && value !== "") return { column: value, from: undefined };
    if (!isObject(value))
      return this.#reader.problem(path, `expected a column's name or a mapping, not ${show(value)}`);
    const object = this.#reader.object(value, path, [...SOURCE_KEYS, ...extra]);
    if (object?.["first_of"] !== undefined) {
      const list = Array.isArray(object["first_of"]) ? (object["first_of"] as unknown[]) : [];
      if (list.length === 0) this.#reader.problem([...path, "first_of"], "expected a list of columns");
      const firstOf = list.flatMap((part, at) => this.source(part, [...path, "first_of", at]) ?? []);
      return { firstOf };
    }
    const column = this.#reader.text(object?.["column"], [...path, "column"], "a column's name");
    if (column === undefined) return undefined;
    const from = this.#from(object?.["from"], [...path, "from"]);
    const match = this.#match(object?.["match"], [...path, "match"]);
    if (match.length > 0 && (from === undefined || from === "parent"))
      this.#reader.problem([...path, "match"], "expected from: a lookup or child, whose rows are to match");
    return { column, from, ...(match.length === 0 ? {} : { match }) };
  }

  #from(value: unknown, path: DocumentPath): string | undefined {
    if (value === undefined) return undefined;
    const known = [...this.#scope.related, ...(this.#scope.hasParent ? ["parent"] : [])];
    if (typeof value === "string" && known.includes(value)) return value;
    const hint = didYouMean(typeof value === "string" ? value : "", known);
    return this.#reader.problem(path, `no lookup or child is called ${show(value)}${hint}`);
  }

  /** One source, or `columns: […]` that are joined. */
  #sources(value: unknown, path: DocumentPath, extra: readonly string[]): readonly ValueSource[] | undefined {
    if (!isObject(value) || value["columns"] === undefined) {
      const source = this.source(value, path, extra);
      return source && [source];
    }
    this.#reader.object(value, path, ["columns", ...extra]);
    if (!Array.isArray(value["columns"]) || value["columns"].length === 0)
      return this.#reader.problem([...path, "columns"], "expected a list of columns");
    return value["columns"].flatMap((part: unknown, at) => this.source(part, [...path, "columns", at]) ?? []);
  }

  #text(maxLength: number, value: unknown, path: DocumentPath): FieldSpec | undefined {
    if (isObject(value) && value["as"] !== undefined) {
      const { as, ...rest } = value;
      const kind = this.#reader.oneOf(as, [...path, "as"], ["date", "instant", "decimal"]);
      return kind && this.#field({ kind }, rest, path);
    }
    if (isObject(value) && value["each"] !== undefined) return this.#each(value, path, false);
    const sources = this.#sources(value, path, ["join", "strip"]);
    const strip = isObject(value) ? value["strip"] : undefined;
    const join = isObject(value) ? (value["join"] ?? " ") : " ";
    if (typeof join !== "string") return this.#reader.problem([...path, "join"], "expected text");
    return (
      sources && {
        form: "text",
        sources,
        separator: join,
        maxLength,
        strip:
          strip === undefined
            ? undefined
            : this.#reader.oneOf(strip, [...path, "strip"], ["zeros", "blanks"]),
      }
    );
  }

  /** `{ each: COLUMN, over: statuses }`: that column of all rows. */
  #each(value: PackObject, path: DocumentPath, isList: boolean): FieldSpec | undefined {
    this.#reader.object(value, path, ["each", "over"]);
    const column = this.#reader.text(value["each"], [...path, "each"], "a column of the rows");
    const over = this.#reader.oneOf(value["over"], [...path, "over"], this.#scope.related);
    return column && over ? { form: "each", column, over, isList } : undefined;
  }

  #native(spec: FieldSpec & { form: "enum" }, written: unknown, path: DocumentPath): FieldSpec {
    const native = isObject(written) ? written["native"] : undefined;
    const named = native === undefined ? undefined : this.source(native, [...path, "native"]);
    return {
      form: "text",
      sources: named === undefined ? spec.sources : [named],
      separator: "/",
      maxLength: 4_000,
      // Codes that the pack writes as bits read as bits, whatever the database's driver makes of them.
      strip: spec.codes.has("true") || spec.codes.has("false") ? undefined : "bits",
    };
  }

  #enum(values: readonly string[], value: unknown, path: DocumentPath): FieldSpec | undefined {
    if (!isObject(value))
      return this.#reader.problem(
        path,
        `expected { column: …, map: … } or { value: … }: the field is one of ${values.join(", ")}`,
      );
    const over =
      value["over"] === undefined
        ? undefined
        : this.#reader.oneOf(value["over"], [...path, "over"], this.#scope.related);
    const sources = this.#sources(value, path, ["map", "otherwise", "native", "over", "keep_empty"]);
    const codes = parseCodes(this.#reader, this.#scope.codeLists, value["map"], [...path, "map"], values);
    const otherwise =
      value["otherwise"] === undefined
        ? undefined
        : this.#reader.oneOf(value["otherwise"], [...path, "otherwise"], values);
    const keepEmpty = this.#reader.flag(value["keep_empty"], [...path, "keep_empty"]);
    if (over === undefined)
      return sources && codes && { form: "enum", sources, ...codes, otherwise, keepEmpty };
    const [only] = sources ?? [];
    if (only === undefined || !("column" in only) || codes === undefined) return undefined;
    if (codes.patterns.length > 0)
      this.#reader.problem([...path, "map"], "with over, every code is written out; * is not possible");
    return { form: "among", over, column: only.column, codes: codes.codes, otherwise };
  }

  #decimal(value: unknown, path: DocumentPath): FieldSpec | undefined {
    if (isObject(value) && value["sum"] !== undefined) return this.#sum(value, path);
    if (isObject(value) && value["map"] !== undefined) return this.#decimalOfCode(value, path);
    if (isObject(value) && (value["plus"] !== undefined || value["minus"] !== undefined)) {
      this.#reader.object(value, path, ["plus", "minus", "implied_decimals"]);
      const side = (name: string): readonly ValueSource[] => {
        const list: unknown = value[name] ?? [];
        const parts: readonly unknown[] = Array.isArray(list) ? list : [list];
        return parts.flatMap((part, at) => this.source(part, [...path, name, at]) ?? []);
      };
      const impliedDecimals = this.#impliedDecimals(value, path);
      return { form: "arithmetic", plus: side("plus"), minus: side("minus"), impliedDecimals };
    }
    const source = this.source(value, path, ["implied_decimals", "currency_decimals", "if_number"]);
    const currency = isObject(value) ? value["currency_decimals"] : undefined;
    const currencyDecimals =
      currency === undefined ? undefined : this.source(currency, [...path, "currency_decimals"]);
    return (
      source && {
        form: "decimal",
        source,
        impliedDecimals: this.#impliedDecimals(value, path),
        ...(currencyDecimals === undefined ? {} : { currencyDecimals }),
        isTextNothing: this.#reader.flag(isObject(value) ? value["if_number"] : undefined, [
          ...path,
          "if_number",
        ]),
      }
    );
  }

  /** `{ column: PER, map: { C: 100 }, otherwise: 1 }`: a code that means a number. */
  #decimalOfCode(value: PackObject, path: DocumentPath): FieldSpec | undefined {
    const source = this.source(value, path, ["map", "otherwise"]);
    const number = (code: unknown, place: DocumentPath): string | undefined => {
      const plain = typeof code === "string" || typeof code === "number" ? plainDecimal(code) : undefined;
      return plain ?? this.#reader.problem(place, `expected a decimal, not ${show(code)}`);
    };
    const map = this.#reader.mapping(value["map"], [...path, "map"]) ?? {};
    const codes = Object.entries(map).flatMap(([code, meaning]) => {
      const plain = number(meaning, [...path, "map", code]);
      return plain === undefined ? [] : [[code, plain] as const];
    });
    const otherwise = number(value["otherwise"], [...path, "otherwise"]);
    if (source === undefined || otherwise === undefined) return undefined;
    return {
      form: "enum",
      sources: [source],
      codes: new Map(codes),
      patterns: [],
      keepEmpty: false,
      otherwise,
    };
  }

  #impliedDecimals(value: unknown, path: DocumentPath): number {
    const places = isObject(value) ? Number(value["implied_decimals"] ?? 0) : 0;
    if (Number.isInteger(places) && places >= 0 && places <= 18) return places;
    this.#reader.problem([...path, "implied_decimals"], "expected a whole number from 0 to 18");
    return 0;
  }

  #sum(value: PackObject, path: DocumentPath): FieldSpec | undefined {
    this.#reader.object(value, path, ["sum", "over", "match", "implied_decimals"]);
    const column = this.#reader.text(value["sum"], [...path, "sum"], "a column of the rows to add up");
    const over = this.#reader.oneOf(value["over"], [...path, "over"], this.#scope.related);
    const match = this.#match(value["match"], [...path, "match"]);
    const impliedDecimals = this.#impliedDecimals(value, path);
    return column && over ? { form: "sum", over, column, match, impliedDecimals } : undefined;
  }

  /** `{ column there: column of the row at hand }`. */
  #match(value: unknown, path: DocumentPath): readonly MatchPair[] {
    const match = this.#reader.mapping(value ?? {}, path) ?? {};
    return Object.entries(match).flatMap(([other, own]) => {
      const text = this.#reader.text(own, [...path, other], "a column");
      return text === undefined ? [] : [{ other, own: text }];
    });
  }

  #instant(value: unknown, path: DocumentPath): FieldSpec | undefined {
    const source = this.source(value, path, ["time", "format"]);
    const time = isObject(value) && value["time"] !== undefined ? value["time"] : undefined;
    return (
      source && {
        form: "instant",
        source,
        time: time === undefined ? undefined : this.source(time, [...path, "time"]),
        format: this.#format(value, path),
      }
    );
  }

  #date(value: unknown, path: DocumentPath): FieldSpec | undefined {
    const source = this.source(value, path, ["format"]);
    return source && { form: "date", source, format: this.#format(value, path) };
  }

  #format(value: unknown, path: DocumentPath): TimestampFormat {
    if (!isObject(value) || value["format"] === undefined) return this.#scope.timestamps;
    return this.#reader.oneOf(value["format"], [...path, "format"], TIMESTAMP_FORMATS) ?? "utc";
  }

  #boolean(value: unknown, path: DocumentPath): FieldSpec | undefined {
    const source = this.source(value, path, ["true_values", "false_values", "invert", "empty"]);
    const object: PackObject = isObject(value) ? value : {};
    const set = (key: string): ReadonlySet<string> | undefined =>
      object[key] === undefined
        ? undefined
        : new Set(this.#reader.texts(object[key], [...path, key], "value"));
    const trueValues = set("true_values");
    const falseValues = set("false_values");
    const invert = this.#reader.flag(object["invert"], [...path, "invert"]);
    const empty =
      object["empty"] === undefined ? undefined : this.#reader.flag(object["empty"], [...path, "empty"]);
    return source && { form: "boolean", source, trueValues, falseValues, invert, empty };
  }

  #reference(value: unknown, path: DocumentPath): FieldSpec | undefined {
    if (!isObject(value))
      return this.#reader.problem(path, "expected a reference: { ref: entity, key: […], display: … }");
    this.#reader.object(value, path, ["ref", "key", "display", "none"]);
    const entity = this.#reader.oneOf(value["ref"], [...path, "ref"], REFERENCE_TARGETS);
    const list: readonly unknown[] = Array.isArray(value["key"]) ? value["key"] : [value["key"]];
    const key = list.flatMap((part, at): KeyPart[] => {
      const place = [...path, "key", at];
      if (isObject(part) && part["value"] !== undefined) {
        const constant = this.#reader.text(part["value"], [...place, "value"], "a key value");
        return constant === undefined ? [] : [{ constant }];
      }
      const source = this.source(part, place);
      return source === undefined ? [] : [source];
    });
    const display =
      value["display"] === undefined ? undefined : this.source(value["display"], [...path, "display"]);
    if (entity === undefined) return undefined;
    this.#scope.references.push({ entity, parts: list.length, path: [...path, "key"] });
    const none = value["none"];
    const nones = none === undefined ? [] : this.#reader.texts(none, [...path, "none"], "a key value");
    return { form: "reference", entity, key, none: new Set(nones), display };
  }

  #list(item: FieldKind, value: unknown, path: DocumentPath): FieldSpec | undefined {
    if (isObject(value) && value["each"] !== undefined && item.kind === "text")
      return this.#each(value, path, true);
    if (!Array.isArray(value)) {
      const advice = item.kind === "object" ? "; rows of another table belong under children" : "";
      return this.#reader.problem(path, `expected a list, not ${show(value)}${advice}`);
    }
    const items = value.flatMap((part: unknown, at) => this.#field(item, part, [...path, at]) ?? []);
    return { form: "list", items };
  }

  #constant(kind: FieldKind, object: PackObject, path: DocumentPath): FieldSpec | undefined {
    this.#reader.object(object, path, ["value"]);
    const value = object["value"];
    const json = constantJson(kind, value);
    if (json !== undefined) return { form: "constant", json };
    const wanted = kind.kind === "enum" ? `one of ${kind.values.join(", ")}` : `a ${kind.kind}`;
    const hint = kind.kind === "enum" ? didYouMean(String(value), kind.values) : "";
    return this.#reader.problem([...path, "value"], `expected ${wanted}, not ${show(value)}${hint}`);
  }
}

function isObject(value: unknown): value is PackObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
