// A draft of a pack as YAML, with a comment beside every guess.
import type { DraftEntity, DraftField } from "./draft-pack.ts";

/** What YAML reads as something else than a text, or not at all. */
const PLAIN = /^[A-Za-z_][\w$]*$/;
const WORDS = /^(?:y|n|yes|no|true|false|on|off|null)$/i;
const COMMENT_AT = 58;

export interface DraftAbout {
  /** Lower-case letters, digits and dashes. */
  readonly name: string;
  readonly system: string;
}

/** `left`: fields (`entity.field`, `entity.lines.field`) that the pack's compiler did not take. */
export function draftText(
  about: DraftAbout,
  entities: readonly DraftEntity[],
  left: ReadonlySet<string> = new Set(),
): string {
  const schemas = new Set(entities.map(({ table }) => table.schema));
  const schema = schemas.size === 1 ? [...schemas][0] : undefined;
  return `${[
    `# A draft, made from the names of tables and columns: nothing in it is known to be right. Check every line marked CHECK,`,
    `# then look at real rows: millrace-agent preview <connection> <entity>. docs/packs.md explains every word.`,
    `name: ${about.name}`,
    `system: ${quoted(about.system)}`,
    "",
    "defaults:",
    ...(schema === undefined ? [] : [`  schema: ${quoted(schema)}`]),
    "  timestamps: local        # CHECK: local wall-clock times, or utc",
    "  poll: 30s",
    "  reconcile: 30m",
    "",
    "entities:",
    ...entities.flatMap((entity) => entityLines(entity, schema, left)),
  ].join("\n")}\n`;
}

function entityLines(
  draft: DraftEntity,
  schema: string | undefined,
  left: ReadonlySet<string>,
): readonly string[] {
  const { entity, table, score, key, isKeyGuessed, changes, createdAt, lines } = draft;
  const own =
    table.schema === undefined || table.schema === schema ? [] : [`    schema: ${quoted(table.schema)}`];
  const updated = changes?.by === "timestamp" ? [`    updated_at: ${quoted(changes.column)}`] : [];
  return [
    `  ${entity}:`,
    noted(`    table: ${quoted(table.name)}`, `CHECK: ${Math.round(score * 100)} % by its names`),
    ...own,
    noted(
      `    key: ${list(key)}`,
      isKeyGuessed ? "CHECK: the source names no primary key; this must be unique" : "the primary key",
    ),
    changesLine(changes, "    "),
    ...(createdAt === undefined ? [] : [`    created_at: ${quoted(createdAt)}`]),
    ...updated,
    "    fields:",
    ...fieldLines(draft.fields, `${entity}.`, "      ", left),
    ...(lines === undefined
      ? []
      : [
          "    children:",
          "      lines:",
          noted(
            `        table: ${quoted(lines.table.name)}`,
            "CHECK: by its name, and because it has the key",
          ),
          `        on: ${list(lines.on)}`,
          ...(lines.order === undefined ? [] : [`        order: ${quoted(lines.order)}`]),
          "        changes: full_scan",
          "        fields:",
          ...fieldLines(lines.fields, `${entity}.lines.`, "          ", left),
        ]),
    `    # custom_fields: rest    # all other columns; they leave the plant`,
    "",
  ];
}

function changesLine(changes: DraftEntity["changes"], indent: string): string {
  if (changes === undefined)
    return noted(
      `${indent}changes: full_scan`,
      "no column is named as one that every write moves: all rows are read at each poll",
    );
  const { by, column } = changes;
  return noted(
    `${indent}changes: { by: ${by}, column: ${quoted(column)} }`,
    "CHECK: does every write move it?",
  );
}

function fieldLines(
  fields: readonly DraftField[],
  prefix: string,
  indent: string,
  left: ReadonlySet<string>,
): readonly string[] {
  const kept = fields.filter(({ field }) => !left.has(prefix + field));
  if (kept.length === 0) return [`${indent.slice(2)}  {}`.replace(/^ +/, indent)];
  return kept.flatMap((one) => fieldLine(one, indent));
}

function fieldLine(
  { field, column, kind, target, values = [], score, note }: DraftField,
  indent: string,
): readonly string[] {
  const doubts = [
    ...(score < 1 ? [`CHECK: ${Math.round(score * 100)} % by its name`] : []),
    ...(note === undefined ? [] : [`CHECK: ${note}`]),
  ];
  const words = doubts.join("; ");
  if (kind === "enum")
    return [
      `${indent}# CHECK: which code means what? One of: ${values.join(", ")}`,
      noted(`${indent}${field}: { column: ${quoted(column)}, map: {} }`, words),
    ];
  if (kind === "reference")
    return [noted(`${indent}${field}: { ref: ${target ?? ""}, key: [${quoted(column)}] }`, words)];
  return [noted(`${indent}${field}: ${quoted(column)}`, words)];
}

function noted(line: string, note: string): string {
  return note === "" ? line : `${line.padEnd(COMMENT_AT)}  # ${note}`;
}

function list(names: readonly string[]): string {
  return names.length === 1 ? quoted(names[0] ?? "") : `[${names.map(quoted).join(", ")}]`;
}

/** JSON's texts are YAML's. */
function quoted(text: string): string {
  return PLAIN.test(text) && !WORDS.test(text) ? text : JSON.stringify(text);
}
