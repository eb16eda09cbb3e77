// From a pack's parsed document to plans and mappers, or to every problem in it at once.
import type { PackResult, CompiledEntity, CompiledPack } from "./mapping.ts";
import { describeEntity } from "./describe-entity.ts";
import { entityPlan, usedColumns } from "./entity-plan.ts";
import type { Locate, PackReader } from "./pack-reader.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { NO_INSTALLATION, installPack, type Installation } from "./pack-settings.ts";
import { parsePack, type PackDefinition } from "./pack-schema.ts";
import { customEntity } from "../settings/custom-entity.ts";
import { overlaid, overlayPart, type Overlay } from "../settings/overlay.ts";
import { createMapper } from "./row-mapper.ts";
import { compileWrite } from "./writable-fields.ts";

/** Moves when the mapper itself writes records differently, so that they are read again. */
const MAPPER_VERSION = 1;
/** Different unmapped codes that are counted one by one, per pack. */
const MAX_UNMAPPED_CODES = 1_000;

export interface CompileOptions {
  /** SHA-256 of a text, in hex. */
  readonly sha256: (text: string) => string;
  /** Where a part of the document stands in its file, for issues. */
  readonly locate?: Locate;
  /** Which variant of the pack, with which settings. */
  readonly installation?: Installation;
}

/** Never throws. `document` is plain data, as read from YAML or JSON. */
export function compilePack(document: unknown, options: CompileOptions): PackResult {
  const { sha256, locate = () => undefined, installation = NO_INSTALLATION } = options;
  const installed = installPack(document, installation, locate);
  if (installed === undefined)
    return {
      ok: false,
      issues: [{ path: "", message: "expected a mapping with name, system and entities" }],
    };
  const { reader } = installed;
  const { overlay = {} } = installation;
  const parsed = parsePack(reader, overlaid(installed.document, overlay));
  const definition = parsed && wantedEntities(parsed, installed.entities, reader);
  if (definition === undefined || reader.issues.length > 0) return { ok: false, issues: reader.issues };
  const hashed = (content: unknown): string => sha256(JSON.stringify(content)).slice(0, 16);
  const own = hashed([MAPPER_VERSION, withoutSchedule(installed.document)]);
  const versionOf = (entity?: string): string => {
    const part = overlayPart(overlay, entity);
    return part === undefined ? own : hashed([own, part]);
  };
  return { ok: true, pack: assemble(narrowed(definition, overlay), overlay, versionOf) };
}

/** Of what the plant reads, the part that is wanted from outside. */
function narrowed(definition: PackDefinition, { entities: wanted }: Overlay): PackDefinition {
  if (wanted === undefined) return definition;
  return { ...definition, entities: definition.entities.filter(({ entity }) => wanted.includes(entity)) };
}

function wantedEntities(
  definition: PackDefinition,
  wanted: readonly string[] | undefined,
  reader: PackReader,
): PackDefinition {
  if (wanted === undefined) return definition;
  const names: readonly string[] = definition.entities.map(({ entity }) => entity);
  for (const name of wanted)
    if (!names.includes(name))
      reader.problem(
        ["pack_settings", "entities"],
        `the pack does not map ${name}${didYouMean(name, names) || `; it maps ${names.join(", ")}`}`,
      );
  return { ...definition, entities: definition.entities.filter(({ entity }) => wanted.includes(entity)) };
}

function assemble(
  definition: PackDefinition,
  overlay: Overlay,
  versionOf: (entity?: string) => string,
): CompiledPack {
  const { name, system, noDates, readOnly } = definition;
  const unmapped = new UnmappedCodes();
  const customs = (overlay.custom_entities ?? []).map((one) => customEntity(one, definition.defaults));
  const entities = [...definition.entities, ...customs];
  const mapped: ReadonlySet<string> = new Set(entities.map(({ entity }) => entity));
  return {
    name,
    system,
    mappingVersion: versionOf(),
    readOnly,
    entities: entities.map((one): CompiledEntity => {
      const all = usedColumns(one);
      // A custom entity's columns are nowhere else: all of them are custom fields.
      const used = customs.includes(one) ? { ...all, own: new Set<string>() } : all;
      const onUnmapped = (field: string, code: string): void => unmapped.count(one.entity, field, code);
      return {
        plan: entityPlan(one, all),
        mappingVersion: versionOf(one.entity),
        vanished: one.vanished,
        writes: one.writes.map(compileWrite),
        pollMs: one.pollMs,
        reconcileMs: one.reconcileMs,
        describe: (hidden) => describeEntity(one, hidden),
        mapper: (context) =>
          createMapper({ definition: one, used, system, noDates, mapped, onUnmapped }, context),
      };
    }),
    unmappedCodes: () => unmapped.list(),
  };
}

/** How often and from which date on something is read, and what may be written, does not change what it becomes. */
function withoutSchedule(document: unknown): unknown {
  const { defaults, entities, description: _, ...rest } = document as Record<string, Record<string, unknown>>;
  const strip = (part: unknown): unknown => {
    const {
      poll: _poll,
      reconcile: _reconcile,
      description: _text,
      writes: _writes,
      document_date: _date,
      open_when: _open,
      ...kept
    } = part as Record<string, unknown>;
    return kept;
  };
  const stripped = Object.entries(entities ?? {}).map(([name, entity]) => [name, strip(entity)]);
  return { ...rest, defaults: strip(defaults ?? {}), entities: stripped };
}

class UnmappedCodes {
  readonly #counts = new Map<string, { entity: string; field: string; code: string; count: number }>();

  count(entity: string, field: string, code: string): void {
    const key = `${entity}\n${field}\n${code}`;
    const known = this.#counts.get(key);
    if (known !== undefined) known.count += 1;
    else if (this.#counts.size < MAX_UNMAPPED_CODES)
      this.#counts.set(key, { entity, field, code: code.slice(0, 200), count: 1 });
  }

  list(): ReturnType<CompiledPack["unmappedCodes"]> {
    return [...this.#counts.values()].map(({ entity, field, code, count }) => ({
      entity,
      field,
      code,
      count,
    }));
  }
}
