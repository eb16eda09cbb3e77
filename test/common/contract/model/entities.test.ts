// What holds for every entity of the model: names, filters, dates, marks of personal data.
import { describe, expect, test } from "vitest";
import { ENTITIES, ENTITY_NAMES, RecordEnvelope } from "#common/contract/model/entities.ts";
import { DateOnly, Instant, PERSONAL } from "#common/contract/model/fields.ts";
import { RELAY_MEMBERS } from "#relay/core/ingest/record-check.ts";

interface SchemaNode {
  readonly type?: string;
  readonly pattern?: string;
  readonly anyOf?: readonly SchemaNode[];
  readonly items?: SchemaNode;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly [PERSONAL]?: boolean;
}

/** What the relay and the agent put around the entity's own fields. */
const ENVELOPE: ReadonlySet<string> = new Set([...Object.keys(RecordEnvelope.properties), ...RELAY_MEMBERS]);

const fieldsOf = (entity: keyof typeof ENTITIES): Readonly<Record<string, SchemaNode>> =>
  ENTITIES[entity].schema.properties;

/** `orders.lines.item` → its schema, for every field at any depth. */
function allFields(
  properties: Readonly<Record<string, SchemaNode>>,
  path: string,
): readonly (readonly [path: string, schema: SchemaNode])[] {
  return Object.entries(properties).flatMap(([name, property]) => {
    const schema = property.anyOf?.[0] ?? property;
    const inner = schema.items ?? schema;
    const below = isReference(inner) ? {} : (inner.properties ?? {});
    const own: readonly (readonly [string, SchemaNode])[] = [[`${path}.${name}`, property]];
    return own.concat(allFields(below, `${path}.${name}`));
  });
}

function isReference(schema: SchemaNode | undefined): boolean {
  return schema?.properties !== undefined && "remote_id" in schema.properties;
}

test("paths and titles are told apart", () => {
  for (const part of ["path", "title"] as const)
    expect(new Set(ENTITY_NAMES.map((name) => ENTITIES[name][part])).size).toBe(ENTITY_NAMES.length);
  for (const name of ENTITY_NAMES) expect(ENTITIES[name].path).toBe(`${name.replaceAll("_", "-")}s`);
});

describe.each(ENTITY_NAMES)("%s", (entity) => {
  const { filters, dates, display } = ENTITIES[entity];

  test("has no field that the envelope has already, and custom fields", () => {
    expect(Object.keys(fieldsOf(entity)).filter((name) => ENVELOPE.has(name))).toEqual([]);
    expect(fieldsOf(entity)).toHaveProperty("custom_fields");
  });

  test("filters and display names are fields of the record with one value", () => {
    const compared = [...Object.values(filters), ...display];
    const isOneValue = (schema: SchemaNode | undefined): boolean =>
      schema?.type === "string" || schema?.type === "boolean" || isReference(schema);
    expect(compared.filter((name) => !isOneValue(fieldsOf(entity)[name]?.anyOf?.[0]))).toEqual([]);
  });

  test("dates are all the dates and instants that a record has", () => {
    const timed = Object.entries(fieldsOf(entity)).filter(([, { anyOf }]) =>
      [Instant, DateOnly].some((type) => (type as SchemaNode).pattern === anyOf?.[0]?.pattern),
    );
    expect(timed.map(([name]) => name).toSorted()).toEqual([...dates].toSorted());
  });
});

test("fields that name people are marked", () => {
  const marked = ENTITY_NAMES.flatMap((entity) => allFields(fieldsOf(entity), entity))
    .filter(([, schema]) => schema[PERSONAL] === true)
    .map(([path]) => path);
  expect(marked).toEqual([
    "purchase_order.vendor_contact",
    "purchase_order.buyer",
    "purchase_order.requester",
    "work_order.requested_by",
    "work_order.assigned_users",
    "work_order.supervisor",
    "work_order.tasks.completed_by",
    "work_order.labor.user",
    "vendor.contacts.name",
    "vendor.contacts.email",
    "vendor.contacts.phone",
    "requisition.requester",
    "goods_receipt.received_by",
    "maintenance_request.requester",
    "meter_reading.by",
    "stock_movement.by",
    "user.code",
    "user.name",
    "user.email",
    "user.phone",
    "user.supervisor",
    "attachment.attached_by",
  ]);
  const named = /(?<!needed)[._](?:by|user|users|person|supervisor|buyer|requester|contact|email)$/;
  const unmarked = ENTITY_NAMES.flatMap((entity) => allFields(fieldsOf(entity), entity))
    .map(([path]) => path)
    .filter((path) => named.test(path) && !marked.includes(path));
  // A company's own address is no person's.
  expect(unmarked).toEqual(["vendor.email"]);
});
