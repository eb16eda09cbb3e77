// Compiled checks of what crosses the wire inside batches; the schemas stand in entry.ts, samples.ts and model/.
import { Type } from "typebox";
import { Compile, type Validator } from "typebox/compile";
import { EntryHeader } from "./entry.ts";
import { ENTITIES, ENTITY_NAMES, RecordEnvelope } from "./model/entities.ts";
import { CustomFields } from "./model/fields.ts";
import { SamplesBody } from "./samples.ts";

const header = Compile(EntryHeader);
const samplesBody = Compile(SamplesBody);
const custom = Compile(
  Type.Object({ ...RecordEnvelope.properties, custom_fields: Type.Optional(CustomFields) }),
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
