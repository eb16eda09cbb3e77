// What may be written on a connection, in the words of the description: the pack's operations under the plant's policy.
import type { WritableField, WriteDescription } from "#common/contract/description.ts";
import type { CompiledEntity, CompiledWrite, WritableField as PackField } from "../mapping/mapping.ts";
import { writeRule, type PlantPolicy } from "./plant-policy.ts";

const MAX_WORDS = 500;
const MAX_VALUES = 1_000;
const MAX_FIELDS = 1_000;
const MAX_CHILDREN = 20;
const MAX_OPERATIONS = 50;

export interface WriteFacts {
  readonly policy: PlantPolicy;
  /** The connector may write at all (`write.allow`). */
  readonly isWritable: boolean;
  readonly hasCommandLog: boolean;
}

export function describeWrites(entity: CompiledEntity, facts: WriteFacts): WriteDescription[] {
  return (entity.writes ?? []).slice(0, MAX_OPERATIONS).map((write) => describeWrite(entity, write, facts));
}

function describeWrite({ plan }: CompiledEntity, write: CompiledWrite, facts: WriteFacts): WriteDescription {
  const form = plan.writes?.find(({ operation }) => operation === write.operation);
  const isLogged = form?.form === "interface_table" && form.commandColumn !== undefined;
  const children = write.fields
    .filter(({ rows }) => rows !== undefined)
    .slice(0, MAX_CHILDREN)
    .map(({ name, rows }) => ({ name, fields: fieldsOf(rows?.fields ?? [], rows?.customFields) }));
  return {
    operation: write.operation,
    form: write.form,
    ...policyPart(plan.entity, write, facts),
    exactly_once: facts.hasCommandLog || isLogged,
    fields: fieldsOf(write.fields, write.customFields),
    ...(children.length === 0 ? {} : { children }),
  };
}

function policyPart(
  entity: string,
  { operation }: CompiledWrite,
  { policy, isWritable }: WriteFacts,
): Pick<WriteDescription, "policy" | "reason" | "windows"> {
  const refuse = (reason: string) => ({ policy: "refuse", reason: reason.slice(0, MAX_WORDS) }) as const;
  const rule = writeRule(policy, entity, operation);
  if (!isWritable) return refuse("this connection only reads (write.allow in the agent's file)");
  if (rule === undefined) return refuse("the plant does not allow it (allow.writes in the agent's file)");
  if (rule.mode === "refuse") return refuse(rule.reason ?? "the plant refuses it");
  const windows = rule.windows.length === 0 ? {} : { windows: [...rule.windows] };
  if (rule.mode === "hold") return { policy: "hold", ...windows };
  return { policy: rule.windows.length === 0 ? "apply" : "window", ...windows };
}

function fieldsOf(fields: readonly PackField[], customFields: readonly string[] = []): WritableField[] {
  const own = fields.filter(({ rows }) => rows === undefined).map(fieldOf);
  const custom = customFields.map((name) => ({
    name: `custom_fields.${name}`.slice(0, 200),
    type: "any",
    required: false,
  }));
  return [...own, ...custom].slice(0, MAX_FIELDS);
}

function fieldOf({
  name,
  type,
  isRequired,
  values,
  maxLength,
  min,
  max,
  description,
}: PackField): WritableField {
  return {
    name: name.slice(0, 200),
    type,
    required: isRequired,
    ...(values === undefined ? {} : { values: values.slice(0, MAX_VALUES) }),
    ...(maxLength === undefined ? {} : { max_length: maxLength }),
    ...(min === undefined ? {} : { minimum: min.slice(0, 60) }),
    ...(max === undefined ? {} : { maximum: max.slice(0, 60) }),
    ...(description === undefined ? {} : { description: description.slice(0, MAX_WORDS) }),
  };
}
