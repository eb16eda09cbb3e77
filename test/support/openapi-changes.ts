// What of an OpenAPI document's new version would break a client of the old one. Additions are no break; enumerations of answers are open.

type Json = Readonly<Record<string, unknown>>;
/** `sent`: the client sends it, so it may only become freer. `received`: it may only become more certain. */
type Direction = "sent" | "received";

/** One sentence for each break, with where it is; empty: compatible. */
export function breakingChanges(before: Json, after: Json): readonly string[] {
  return new Comparison(before, after).paths();
}

class Comparison {
  readonly #before: Json;
  readonly #after: Json;
  readonly #breaks: string[] = [];
  /** Pairs of named schemas under comparison: schemas may be recursive. */
  readonly #seen = new Set<string>();

  constructor(before: Json, after: Json) {
    this.#before = before;
    this.#after = after;
  }

  paths(): readonly string[] {
    const now = json(this.#after["paths"]);
    for (const [path, methods] of Object.entries(json(this.#before["paths"]))) {
      for (const [method, operation] of Object.entries(json(methods))) {
        const name = `${method.toUpperCase()} ${path}`;
        const next = json(now[path])[method];
        if (next === undefined) this.#breaks.push(`${name}: is gone`);
        else this.#operation(name, json(operation), json(next));
      }
    }
    return this.#breaks;
  }

  #operation(name: string, before: Json, after: Json): void {
    if (before["operationId"] !== after["operationId"])
      this.#breaks.push(
        `${name}: operationId ${text(before["operationId"])} became ${text(after["operationId"])}`,
      );
    this.#parameters(name, list(before["parameters"]), list(after["parameters"]));
    this.#body(name, json(before["requestBody"]), json(after["requestBody"]));
    this.#responses(name, json(before["responses"]), json(after["responses"]));
    const schemes = (operation: Json): string => JSON.stringify(operation["security"] ?? []);
    if (schemes(before) !== schemes(after)) this.#breaks.push(`${name}: wants another kind of token`);
  }

  #parameters(name: string, before: readonly Json[], after: readonly Json[]): void {
    const id = (parameter: Json): string => `${text(parameter["in"])} parameter ${text(parameter["name"])}`;
    const next = new Map(after.map((parameter) => [id(parameter), parameter]));
    for (const parameter of before) {
      const same = next.get(id(parameter));
      next.delete(id(parameter));
      const at = `${name}: ${id(parameter)}`;
      if (same === undefined) {
        this.#breaks.push(`${at}: is gone`);
        continue;
      }
      if (same["required"] === true && parameter["required"] !== true)
        this.#breaks.push(`${at}: became required`);
      this.#schema(at, parameter["schema"], same["schema"], "sent");
    }
    for (const [added, parameter] of next)
      if (parameter["required"] === true) this.#breaks.push(`${name}: ${added}: is new and required`);
  }

  #body(name: string, before: Json, after: Json): void {
    if (after["required"] === true && before["required"] !== true)
      this.#breaks.push(`${name}: a body became required`);
    this.#content(`${name}: body`, json(before["content"]), json(after["content"]), "sent");
  }

  #responses(name: string, before: Json, after: Json): void {
    for (const [status, response] of Object.entries(before)) {
      const next = after[status];
      const at = `${name}: answer ${status}`;
      if (next === undefined) {
        // A problem that no longer comes breaks nobody.
        if (status.startsWith("2")) this.#breaks.push(`${at}: is gone`);
        continue;
      }
      this.#content(at, json(json(response)["content"]), json(json(next)["content"]), "received");
    }
  }

  #content(at: string, before: Json, after: Json, direction: Direction): void {
    for (const [type, media] of Object.entries(before)) {
      const next = after[type];
      if (next === undefined) this.#breaks.push(`${at}: ${type} is gone`);
      else this.#schema(at, json(media)["schema"], json(next)["schema"], direction);
    }
  }

  #schema(at: string, one: unknown, other: unknown, direction: Direction): void {
    const names = `${direction} ${text(json(one)["$ref"])} ${text(json(other)["$ref"])}`;
    if (json(one)["$ref"] !== undefined || json(other)["$ref"] !== undefined) {
      if (this.#seen.has(names)) return;
      this.#seen.add(names);
    }
    const before = resolve(this.#before, one);
    const after = resolve(this.#after, other);
    this.#types(at, typesOf(before, this.#before), typesOf(after, this.#after), direction);
    this.#values(at, before, after, direction);
    if (direction === "sent") this.#bounds(at, before, after);
    this.#properties(at, before, after, direction);
    if (before["items"] !== undefined && after["items"] !== undefined)
      this.#schema(`${at}[]`, before["items"], after["items"], direction);
    this.#branches(at, before, after, direction);
  }

  /** Branches are told apart by their type; a branch of the same type is compared. */
  #branches(at: string, before: Json, after: Json, direction: Direction): void {
    const next = branchesOf(after);
    for (const branch of branchesOf(before)) {
      const own = [...typesOf(branch, this.#before)].sort().join();
      const same = next.filter((candidate) => [...typesOf(candidate, this.#after)].sort().join() === own);
      const [only, ...more] = same;
      if (only !== undefined && more.length === 0) this.#schema(at, branch, only, direction);
    }
  }

  #types(at: string, before: ReadonlySet<string>, after: ReadonlySet<string>, direction: Direction): void {
    if (before.size === 0 && after.size === 0) return;
    const isAny = (types: ReadonlySet<string>): boolean => types.size === 0;
    const covers = (wide: ReadonlySet<string>, narrow: ReadonlySet<string>): boolean =>
      isAny(wide) || (!isAny(narrow) && [...narrow].every((type) => wide.has(type)));
    const isKept = direction === "sent" ? covers(after, before) : covers(before, after);
    const words = (types: ReadonlySet<string>): string => [...types].join(" or ") || "anything";
    if (!isKept) this.#breaks.push(`${at}: ${words(before)} became ${words(after)}`);
  }

  #values(at: string, before: Json, after: Json, direction: Direction): void {
    const [old, now] = [valuesOf(before), valuesOf(after)];
    if (direction === "received" || now === undefined) return;
    const lost = (old ?? []).filter((value) => !now.includes(value));
    if (old === undefined) this.#breaks.push(`${at}: only ${now.join(", ")} are taken now`);
    else if (lost.length > 0) this.#breaks.push(`${at}: ${lost.join(", ")} are no longer taken`);
  }

  #bounds(at: string, before: Json, after: Json): void {
    for (const name of ["maxLength", "maxItems", "maximum", "maxProperties"]) {
      const [old, now] = [bound(before[name], Infinity), bound(after[name], Infinity)];
      if (now < old) this.#breaks.push(`${at}: ${name} fell to ${now}`);
    }
    for (const name of ["minLength", "minItems", "minimum", "minProperties"]) {
      const [old, now] = [bound(before[name], -Infinity), bound(after[name], -Infinity)];
      if (now > old && now > 0) this.#breaks.push(`${at}: ${name} rose to ${now}`);
    }
    if (after["pattern"] !== undefined && after["pattern"] !== before["pattern"])
      this.#breaks.push(`${at}: the pattern became ${text(after["pattern"])}`);
  }

  #properties(at: string, before: Json, after: Json, direction: Direction): void {
    const [old, now] = [json(before["properties"]), json(after["properties"])];
    const [oldRequired, nowRequired] = [names(before["required"]), names(after["required"])];
    for (const [name, schema] of Object.entries(old)) {
      const path = `${at}.${name}`;
      const next = now[name];
      if (next === undefined) this.#breaks.push(`${path}: is gone`);
      else this.#schema(path, schema, next, direction);
      if (direction === "received" && oldRequired.has(name) && !nowRequired.has(name))
        this.#breaks.push(`${path}: may be left out now`);
    }
    if (direction === "received") return;
    for (const name of nowRequired)
      if (!oldRequired.has(name))
        this.#breaks.push(`${at}.${name}: ${name in old ? "became" : "is new and"} required`);
  }
}

function resolve(document: Json, schema: unknown): Json {
  const ref = json(schema)["$ref"];
  if (typeof ref !== "string") return json(schema);
  const found = ref
    .replace("#/", "")
    .split("/")
    .reduce<Json>((at, part) => json(at[part]), document);
  return found;
}

function branchesOf(schema: Json): readonly Json[] {
  return list(schema["anyOf"] ?? schema["oneOf"]);
}

/** Empty: anything. */
function typesOf(schema: Json, document: Json): ReadonlySet<string> {
  const resolved = resolve(document, schema);
  const branches = branchesOf(resolved);
  if (branches.length > 0) {
    const all = branches.map((branch) => typesOf(branch, document));
    return all.some((types) => types.size === 0)
      ? new Set()
      : all.reduce((one, other) => one.union(other), new Set<string>());
  }
  const { type } = resolved;
  if (typeof type === "string") return new Set([type]);
  if (Array.isArray(type)) return new Set(type.map(String));
  return "const" in resolved ? new Set([typeof resolved["const"]]) : new Set();
}

function valuesOf(schema: Json): readonly string[] | undefined {
  if (Array.isArray(schema["enum"])) return schema["enum"].map((value) => JSON.stringify(value));
  if ("const" in schema) return [JSON.stringify(schema["const"])];
  const branches = branchesOf(schema);
  const values = branches.map(valuesOf);
  return branches.length > 0 && values.every((value) => value !== undefined) ? values.flat() : undefined;
}

function json(value: unknown): Json {
  return typeof value === "object" && value !== null ? (value as Json) : {};
}

function list(value: unknown): readonly Json[] {
  return Array.isArray(value) ? (value as Json[]) : [];
}

function names(value: unknown): ReadonlySet<string> {
  return new Set(Array.isArray(value) ? value.map(String) : []);
}

function bound(value: unknown, none: number): number {
  return typeof value === "number" ? value : none;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value ?? null);
}
