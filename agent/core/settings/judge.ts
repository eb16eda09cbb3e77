// Judges what the relay wishes of a connection against the plant's own file and pack, without asking the source. Every problem at once.
import { isSettingsDocument, settingsProblems } from "#common/contract/checks.ts";
import { ENTITY_NAMES, isEntity } from "#common/contract/model/entities.ts";
import type { ConnectionSettingsDocument, ReportedSettings } from "#common/contract/settings.ts";
import type { Issue } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import type { CompiledPack, PackResult } from "../mapping/mapping.ts";
import { unifiedFields } from "../mapping/unified-fields.ts";
import type { CustomEntity } from "./custom-entity.ts";
import type { ProtectedColumns } from "./protected-columns.ts";

export type SettingsProblem = NonNullable<ReportedSettings["problems"]>[number];

/** Of one report. */
const MAX_PROBLEMS = 100;

export interface JudgeDeps {
  /** Members that the plant's file lets the relay set. */
  readonly allowed: readonly string[];
  /** As the plant's own file has it. */
  readonly pack: CompiledPack;
  /** The connection has no tables: nothing can be mapped from outside. */
  readonly isTelemetry: boolean;
  readonly protectedColumns: ProtectedColumns;
  readonly compile: (document: ConnectionSettingsDocument) => PackResult;
}

export type Judgement =
  | { readonly ok: true; readonly document: ConnectionSettingsDocument; readonly pack: CompiledPack }
  | { readonly ok: false; readonly problems: readonly SettingsProblem[] };

/** `document` is foreign text's value. Never throws. */
export function judgeSettings(document: unknown, deps: JudgeDeps): Judgement {
  if (!isSettingsDocument(document)) return refused(settingsProblems(document));
  const judge = new Judge(document, deps);
  judge.members();
  judge.initialWindow();
  judge.schedules();
  judge.entities();
  judge.customFields();
  judge.remaps();
  judge.customEntities();
  if (judge.problems.length > 0) return refused(judge.problems);
  const compiled = deps.isTelemetry ? { ok: true as const, pack: deps.pack } : deps.compile(document);
  if (!compiled.ok) return refused(compiled.issues.map(packProblem));
  return { ok: true, document, pack: compiled.pack };
}

function refused(problems: readonly SettingsProblem[]): Judgement {
  return { ok: false, problems: bounded(problems) };
}

export function bounded(problems: readonly SettingsProblem[]): readonly SettingsProblem[] {
  return problems.slice(0, MAX_PROBLEMS).map(({ pointer, detail }) => ({
    pointer: pointer.slice(0, 500),
    detail: detail.slice(0, 2_000),
  }));
}

/** JSON pointer, RFC 6901. */
export function pointerTo(...steps: readonly (string | number)[]): string {
  return steps.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

class Judge {
  readonly problems: SettingsProblem[] = [];
  readonly #document: ConnectionSettingsDocument;
  readonly #deps: JudgeDeps;
  readonly #names: readonly string[];

  constructor(document: ConnectionSettingsDocument, deps: JudgeDeps) {
    this.#document = document;
    this.#deps = deps;
    this.#names = deps.pack.entities.map(({ plan }) => plan.entity);
  }

  members(): void {
    const { allowed, isTelemetry } = this.#deps;
    for (const member of Object.keys(this.#document)) {
      const list = allowed.length === 0 ? "nothing" : `only ${allowed.join(", ")}`;
      if (!allowed.includes(member))
        this.#report(
          [member],
          `the plant's own file lets the relay set ${list}; somebody there can allow it (allow.settings)`,
        );
      else if (isTelemetry && member !== "schedules")
        this.#report([member], "this kind of source has points and no tables; nothing of it can be set here");
    }
  }

  initialWindow(): void {
    const { pack, isTelemetry } = this.#deps;
    if (isTelemetry || (this.#document.initial_window_days ?? null) === null) return;
    if (pack.entities.every(({ plan }) => plan.documentDate === undefined))
      this.#report(
        ["initial_window_days"],
        "the pack does not say of any entity what dates its documents (document_date), so everything is read; leave it out, or say null",
      );
  }

  schedules(): void {
    const { schedules = {} } = this.#document;
    for (const entity of Object.keys(schedules)) {
      if (entity !== "*") this.#known(["schedules", entity], entity);
      // The schema checks entities by their names, and `*` is none.
      else if (!isSettingsDocument({ schedules: { every: schedules["*"] } }))
        for (const { pointer, detail } of settingsProblems({ schedules: { every: schedules["*"] } }))
          this.problems.push({ pointer: pointer.replace("/every", "/*"), detail });
    }
  }

  entities(): void {
    const { entities = [], custom_entities: customs = [] } = this.#document;
    const own = new Set(customs.map(({ entity }) => entity));
    for (const [at, entity] of entities.entries())
      if (!own.has(entity)) this.#known(["entities", at], entity);
  }

  customFields(): void {
    for (const [entity, columns] of Object.entries(this.#document.custom_fields ?? {})) {
      if (!this.#known(["custom_fields", entity], entity)) continue;
      for (const [at, column] of columns.entries()) {
        const place = ["custom_fields", entity, at];
        if (column.includes("*") || column === "rest")
          this.#report(place, "expected one column's name; patterns stand in the plant's own pack");
        else this.#open(place, this.#tableOf(entity), column);
      }
    }
  }

  remaps(): void {
    for (const [entity, fields] of Object.entries(this.#document.remap ?? {})) {
      if (!this.#known(["remap", entity], entity)) continue;
      for (const [field, { column }] of Object.entries(fields)) {
        this.#field(["remap", entity, field], entity, field);
        this.#open(["remap", entity, field, "column"], this.#tableOf(entity), column);
      }
    }
  }

  customEntities(): void {
    const seen = new Set<string>();
    for (const [at, one] of (this.#document.custom_entities ?? []).entries()) {
      const place = ["custom_entities", at];
      const { entity } = one;
      if (isEntity(entity) || this.#names.includes(entity))
        this.#report([...place, "entity"], `${entity} is an entity of the model; choose another name`);
      if (seen.has(entity)) this.#report([...place, "entity"], `${entity} stands here twice`);
      seen.add(entity);
      this.#customColumns(place, one);
    }
  }

  #customColumns(place: readonly (string | number)[], one: CustomEntity): void {
    const { table, key, columns, changed_column: marker } = one;
    for (const [at, column] of key.entries()) this.#open([...place, "key", at], table, column);
    for (const [at, column] of (columns ?? []).entries()) {
      if (column.includes("*") || column === "rest")
        this.#report([...place, "columns", at], "expected one column's name");
      else this.#open([...place, "columns", at], table, column);
    }
    if (marker !== undefined) this.#open([...place, "changed_column"], table, marker);
    if (columns === undefined && this.#deps.protectedColumns.of(table).length > 0)
      this.#report(
        [...place, "columns"],
        `missing; some columns of ${table} stay in the plant, so those that are wanted must be named`,
      );
  }

  #field(place: readonly string[], entity: string, field: string): void {
    if (!isEntity(entity)) return;
    const [first = "", ...rest] = field.split(".");
    let kind = unifiedFields(entity).byName.get(first);
    for (const step of rest) kind = kind?.kind === "object" ? kind.fields.byName.get(step) : undefined;
    const known = [...unifiedFields(entity).byName.keys()];
    if (unifiedFields(entity).byName.get(first)?.kind === "list")
      return this.#report(place, "is a list; where lists come from is said in the plant's own pack");
    if (kind === undefined)
      return this.#report(place, `${entity} has no field ${field}${didYouMean(field, known)}`);
    if (kind.kind === "object") return this.#report(place, "has parts; name one of them, such as a.b");
    const compiled = this.#deps.pack.entities.find(({ plan }) => plan.entity === entity);
    const writer = (compiled?.writes ?? []).find(({ fields }) => fields.some(({ name }) => name === first));
    if (writer !== undefined)
      this.#report(
        place,
        `is also written (${writer.operation}), to another column; a field that is written is mapped in the plant's own pack`,
      );
  }

  #tableOf(entity: string): string {
    return this.#deps.pack.entities.find(({ plan }) => plan.entity === entity)?.plan.table.name ?? "";
  }

  #open(place: readonly (string | number)[], table: string, column: string): void {
    if (this.#deps.protectedColumns.has(table, column))
      this.#report(
        place,
        `the plant keeps the column ${column} to itself (hide, mask or pseudonymise in its file)`,
      );
  }

  #known(place: readonly (string | number)[], entity: string): boolean {
    if (this.#names.includes(entity)) return true;
    const hint =
      didYouMean(entity, this.#names) ||
      (ENTITY_NAMES.includes(entity as never) ? "" : "; the unified model has none of that name");
    this.#report(place, `the plant does not read ${entity}${hint}; it reads ${this.#names.join(", ")}`);
    return false;
  }

  #report(place: readonly (string | number)[], detail: string): void {
    this.problems.push({ pointer: pointerTo(...place), detail });
  }
}

/** The pack's parser speaks of the pack; the wish is what made it wrong. */
function packProblem({ path, message }: Issue): SettingsProblem {
  const [, entity, part, field] =
    /^entities\.([^.[]+)\.(fields|custom_fields)(?:\.([^.[]+))?/.exec(path) ?? [];
  if (entity === undefined) return { pointer: "", detail: `${path}: ${message}` };
  if (part === "custom_fields") return { pointer: pointerTo("custom_fields", entity), detail: message };
  const steps = field === undefined ? [] : [field];
  return { pointer: pointerTo("remap", entity, ...steps), detail: message };
}
