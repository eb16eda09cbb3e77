// Compiled checks of what crosses the wire inside batches; the schemas stand in entry.ts, samples.ts and model/.
import { Type } from "typebox";
import { Compile, type Validator } from "typebox/compile";
import { COMMAND_BODIES, type CommandKind } from "./commands.ts";
import { EntryHeader } from "./entry.ts";
import { ENTITIES, ENTITY_NAMES, RecordEnvelope } from "./model/entities.ts";
import { CustomFields } from "./model/fields.ts";
import { SamplesBody } from "./samples.ts";
import { ConnectionSettingsDocument } from "./settings.ts";

const header = Compile(EntryHeader);
const samplesBody = Compile(SamplesBody);
const settings = Compile(ConnectionSettingsDocument);
const custom = Compile(
  Type.Object({ ...RecordEnvelope.properties, custom_fields: Type.Optional(CustomFields) }),
);
const bodies = new Map<string, Validator>(
  Object.entries(COMMAND_BODIES).map(([kind, schema]) => [kind, Compile(schema)]),
);
const records = new Map<string, Validator>(
  ENTITY_NAMES.map((name) => [
    name,
    Compile(Type.Object({ ...RecordEnvelope.properties, ...ENTITIES[name].schema.properties })),
  ]),
);

/** An entry's header (parseEntries gives it unchecked); undefined when it does not fit. */
export function checkHeader(value: unknown): EntryHeader | undefined {
  return header.Check(value) ? value : undefined;
}

export function checkSamplesBody(value: unknown): SamplesBody | undefined {
  return samplesBody.Check(value) ? value : undefined;
}

/** Why an object is not a record of the entity, or undefined when it is one. Entities beyond the model need the envelope only. */
export function recordProblem(entity: string, record: Readonly<Record<string, unknown>>): string | undefined {
  const validator = records.get(entity) ?? custom;
  if (validator.Check(record)) return undefined;
  const [error] = validator.Errors(record);
  return `${error?.instancePath ?? ""} ${error?.message ?? "does not fit the unified model"}`.trim();
}

export function isCommandKind(kind: string): kind is CommandKind {
  return bodies.has(kind);
}

/** Why a body does not fit its command's kind, or undefined when it does. */
export function commandBodyProblem(kind: CommandKind, body: unknown): string | undefined {
  const validator = bodies.get(kind);
  if (validator === undefined || validator.Check(body)) return undefined;
  const [error] = validator.Errors(body);
  return `${error?.instancePath ?? ""} ${error?.message ?? "does not fit"}`.trim();
}

export function isSettingsDocument(value: unknown): value is ConnectionSettingsDocument {
  return settings.Check(value);
}

/** Everything in a settings document that does not fit, with JSON pointers into it. */
export function settingsProblems(
  document: unknown,
): readonly { readonly pointer: string; readonly detail: string }[] {
  return settings.Errors(document).flatMap(({ keyword, instancePath, message }) => {
    // Each member that is too much has an error of its own.
    if (keyword === "additionalProperties") return [];
    return [{ pointer: instancePath, detail: keyword === "boolean" ? "is not known here" : message }];
  });
}
