// What counts as a break, each kind once, and that additions are none.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { breakingChanges } from "./openapi-changes.ts";

/** A document as tests change it. */
type Document = Record<string, unknown>;

/** What stands there, to be changed. */
function at(node: unknown, ...path: readonly (string | number)[]): Document {
  return path.reduce<unknown>(
    (inner, name) => (inner as Record<string | number, unknown>)[name],
    node,
  ) as Document;
}

const OPERATION = {
  operationId: "changeOrder",
  security: [{ data: [] }],
  parameters: [{ name: "limit", in: "query", schema: { type: "integer", maximum: 200 } }],
  requestBody: {
    content: {
      "application/json": {
        schema: {
          type: "object",
          required: ["number"],
          properties: {
            number: { type: "string", maxLength: 20 },
            kind: { enum: ["a", "b"] },
            lines: { type: "array", items: { $ref: "#/components/schemas/Line" } },
          },
        },
      },
    },
  },
  responses: {
    200: { content: { "application/json": { schema: { $ref: "#/components/schemas/Order" } } } },
    404: { content: { "application/problem+json": { schema: { type: "object" } } } },
  },
};
const DOCUMENT = {
  paths: { "/orders": { post: OPERATION } },
  components: {
    schemas: {
      Line: { type: "object", properties: { quantity: { type: "string" } } },
      Order: {
        type: "object",
        required: ["id"],
        properties: {
          id: { type: "string" },
          total: { anyOf: [{ type: "string" }, { type: "null" }] },
          parent: { $ref: "#/components/schemas/Order" },
        },
      },
    },
  },
};

function changed(change: (document: Document) => unknown): readonly string[] {
  const next = structuredClone(DOCUMENT) as unknown as Document;
  change(next);
  return breakingChanges(DOCUMENT, next);
}
const post = (document: Document) => at(document, "paths", "/orders", "post");
const parameters = (document: Document) => at(post(document), "parameters") as unknown as object[];
const body = (document: Document) =>
  at(post(document), "requestBody", "content", "application/json", "schema");
const order = (document: Document) => at(document, "components", "schemas", "Order");
const set = (target: object, values: object) => Object.assign(target, values);

describe("breaks", () => {
  test.each<[string, (document: Document) => unknown, string]>([
    ["a route goes", (d) => delete at(d, "paths")["/orders"], "POST /orders: is gone"],
    [
      "an operation is renamed",
      (d) => set(post(d), { operationId: "x" }),
      "operationId changeOrder became x",
    ],
    ["another token is wanted", (d) => set(post(d), { security: [{ admin: [] }] }), "another kind of token"],
    ["a parameter goes", (d) => set(post(d), { parameters: [] }), "query parameter limit: is gone"],
    [
      "a parameter is narrowed",
      (d) => set(at(post(d), "parameters", 0, "schema"), { maximum: 100 }),
      "maximum fell to 100",
    ],
    [
      "a parameter becomes required",
      (d) => set(at(post(d), "parameters", 0), { required: true }),
      "became required",
    ],
    [
      "a required parameter is added",
      (d) =>
        parameters(d).push({
          name: "x",
          in: "query",
          required: true,
          schema: {},
        }),
      "query parameter x: is new and required",
    ],
    [
      "a required member is added to the body",
      (d) => {
        set(at(body(d), "properties"), { currency: { type: "string" } });
        set(body(d), { required: ["number", "currency"] });
      },
      "body.currency: is new and required",
    ],
    [
      "a member of the body becomes required",
      (d) => set(body(d), { required: ["number", "kind"] }),
      "body.kind: became required",
    ],
    [
      "a text is shortened",
      (d) => set(at(body(d), "properties", "number"), { maxLength: 5 }),
      "maxLength fell to 5",
    ],
    [
      "a value is no longer taken",
      (d) => set(at(body(d), "properties", "kind"), { enum: ["a"] }),
      '"b" are no longer',
    ],
    [
      "a pattern is new",
      (d) => set(at(body(d), "properties", "number"), { pattern: "^x" }),
      "the pattern became ^x",
    ],
    [
      "a type of the body changes",
      (d) => set(at(body(d), "properties", "number"), { type: "integer" }),
      "string became integer",
    ],
    [
      "a line's field goes",
      (d) => set(at(d, "components", "schemas", "Line"), { properties: {} }),
      "quantity: is gone",
    ],
    [
      "a body becomes required",
      (d) => set(at(post(d), "requestBody"), { required: true }),
      "a body became required",
    ],
    ["an answer goes", (d) => set(post(d), { responses: {} }), "answer 200: is gone"],
    [
      "a field of an answer goes",
      (d) => delete at(order(d), "properties")["total"],
      "answer 200.total: is gone",
    ],
    ["a field may be left out", (d) => set(order(d), { required: [] }), "id: may be left out now"],
    [
      "a field may be null",
      (d) => set(at(order(d), "properties", "id"), { type: ["string", "null"] }),
      "became string or null",
    ],
    [
      "a field's type changes",
      (d) => set(at(order(d), "properties"), { total: { type: "number" } }),
      "became number",
    ],
  ])("%s", (_name, change, sentence) => {
    const breaks = changed(change);
    expect(breaks.join("\n")).toContain(sentence);
    expect(breaks).toHaveLength(1);
  });
});

describe("no breaks", () => {
  test.each<[string, (document: Document) => unknown]>([
    ["nothing changed", () => {}],
    ["a route is added", (d) => set(at(d, "paths"), { "/more": { get: OPERATION } })],
    ["an optional parameter is added", (d) => parameters(d).push({ name: "x", in: "query" })],
    ["an optional member is added", (d) => set(at(body(d), "properties"), { note: { type: "string" } })],
    ["a member is no longer required", (d) => set(body(d), { required: [] })],
    ["a bound is widened", (d) => set(at(body(d), "properties", "number"), { maxLength: 50 })],
    ["a value is added", (d) => set(at(body(d), "properties", "kind"), { enum: ["a", "b", "c"] })],
    ["a member takes more", (d) => set(at(body(d), "properties", "number"), { type: ["string", "null"] })],
    ["an answer has more", (d) => set(at(order(d), "properties"), { more: { type: "string" } })],
    ["an answer is more certain", (d) => set(at(order(d), "properties"), { total: { type: "string" } })],
    ["a problem is added", (d) => set(at(post(d), "responses"), { 409: {} })],
    ["a problem goes", (d) => delete at(post(d), "responses")[404]],
  ])("%s", (_name, change) => {
    expect(changed(change)).toEqual([]);
  });
});

test("the API's document breaks nothing of the version that clients rely on", () => {
  const read = (path: string): Document =>
    JSON.parse(readFileSync(resolve(import.meta.dirname, "../..", path), "utf8")) as Document;
  expect(breakingChanges(read("test/fixtures/openapi-baseline.json"), read("docs/openapi.json"))).toEqual([]);
});
