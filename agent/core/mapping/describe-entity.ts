// Where each field of an entity comes from, for people: the source's own columns, without what is hidden.
import type { EntityDefinition } from "./entity-parser.ts";
import { PARENT, usesOf, type FieldSpec, type Members, type Scope } from "./field-spec.ts";
import { visibleEntity } from "./hidden.ts";
import type { FieldOrigin } from "./mapping.ts";

/** Fields in the record's order; of objects and lists, their members: `lines.quantity`. */
export function describeEntity(
  definition: EntityDefinition,
  hidden: readonly string[],
): readonly FieldOrigin[] {
  const visible = visibleEntity(definition, hidden);
  const columns = new ColumnNames(definition);
  const { createdAt, updatedAt } = visible;
  return [
    ...(createdAt === undefined ? [] : columns.of("remote_created_at", createdAt, undefined)),
    ...(updatedAt === undefined ? [] : columns.of("remote_updated_at", updatedAt, undefined)),
    ...columns.ofMembers(visible.members, "", undefined),
  ];
}

class ColumnNames {
  readonly #definition: EntityDefinition;
  readonly #tables: ReadonlyMap<string, string>;

  constructor(definition: EntityDefinition) {
    this.#definition = definition;
    this.#tables = new Map(definition.related.map(({ name, table }) => [name, table.name]));
  }

  /** `row` is the child whose rows the members belong to; undefined: the entity's own. */
  ofMembers(members: Members, path: string, row: Scope): readonly FieldOrigin[] {
    return members.flatMap(([name, spec]) => this.of(path === "" ? name : `${path}.${name}`, spec, row));
  }

  of(name: string, spec: FieldSpec, row: Scope): readonly FieldOrigin[] {
    if (spec.form === "object") return this.ofMembers(spec.members, name, row);
    if (spec.form === "children")
      return spec.parts.flatMap(({ child, members }) => this.ofMembers(members, name, child));
    const sources = usesOf(spec).map(
      ({ column, from }) =>
        `${this.#table(from === undefined ? row : from === PARENT ? undefined : from)}.${column}`,
    );
    return [{ name, sources: [...new Set(sources)] }];
  }

  #table(name: Scope): string {
    const own = this.#definition.table.name;
    return name === undefined ? own : (this.#tables.get(name) ?? own);
  }
}
