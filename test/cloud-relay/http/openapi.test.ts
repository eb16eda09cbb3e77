// The OpenAPI document: complete, explained, and the committed one.
import { resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openApiDocument } from "#relay/http/openapi-document.ts";
import { relayFixture } from "./relay-fixture.ts";

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly { readonly name: string; readonly description?: string }[];
  readonly responses: Readonly<Record<string, { readonly description?: string }>>;
}
interface Document {
  readonly openapi: string;
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly headers: Readonly<Record<string, unknown>>;
    readonly schemas: Readonly<Record<string, { readonly description?: string }>>;
  };
}

const relay = await relayFixture();
afterAll(() => relay[Symbol.asyncDispose]());
const document = openApiDocument(relay.app) as unknown as Document;
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([verb, operation]) => ({ name: `${verb.toUpperCase()} ${path}`, operation })),
);

test("is the committed snapshot (docs/openapi.json; vitest -u writes it)", async () => {
  const file = resolve(import.meta.dirname, "../../../docs/openapi.json");
  await expect(`${JSON.stringify(document, undefined, 2)}\n`).toMatchFileSnapshot(file);
});

/** Of the dashboard alone: its pages, and signing in to it. */
const OF_DASHBOARD: readonly string[] = [
  "GET /",
  "GET /dashboard",
  // As the router prints /dashboard/*.
  "GET /dashboard*",
  "POST /v1/session",
  "GET /v1/session",
  "DELETE /v1/session",
  "POST /v1/session/password",
];

test("every registered route is in it, but for the dashboard's own", () => {
  const served = routesOf(relay.app.printRoutes({ commonPrefix: false }));
  expect(served.length).toBeGreaterThan(30);
  const described = operations.map(({ name }) => name);
  expect(new Set([...described, ...OF_DASHBOARD])).toEqual(new Set(served));
  expect(described.filter((name) => OF_DASHBOARD.includes(name))).toEqual([]);
});

test("every operation explains itself: id, summary, description, tag, parameters, problems", () => {
  const tags = new Set(document.tags.map(({ name }) => name));
  const ids = operations.map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(operations.flatMap(({ name, operation }) => missing(name, operation, tags))).toEqual([]);
});

function missing(name: string, operation: Operation, tags: ReadonlySet<string>): readonly string[] {
  const { summary = "", description = "", parameters = [], responses } = operation;
  const bare = parameters.filter((each) => each.name !== "id" && each.description === undefined);
  return [
    ...(summary === "" || description === "" ? [`${name}: summary or description`] : []),
    ...(operation.tags?.every((tag) => tags.has(tag)) === true ? [] : [`${name}: a known tag`]),
    ...bare.map((each) => `${name}: description of ${each.name}`),
    ...(responses["500"]?.description?.includes("INTERNAL_ERROR") === true ? [] : [`${name}: answer 500`]),
  ];
}

test("every component has a name and a description, and every reference leads to one", () => {
  const { schemas, headers } = document.components;
  for (const [name, schema] of Object.entries(schemas)) {
    expect(name).toMatch(/^[A-Z][A-Za-z]+$/);
    expect([name, schema.description]).toEqual([name, expect.any(String)]);
  }
  const refs = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1] ?? "");
  expect(refs.length).toBeGreaterThan(50);
  const known = (ref: string): boolean =>
    ref.replace("#/components/schemas/", "") in schemas ||
    ref.replace("#/components/headers/", "") in headers;
  expect(refs.filter((ref) => !known(ref))).toEqual([]);
});

/** From Fastify's own tree: four characters of indentation a level, HEAD left out. */
function routesOf(tree: string): readonly string[] {
  const parents: string[] = [];
  return tree.split("\n").flatMap((line) => {
    const match = /^([│├└─ \u00a0]*)(\S+) \(([A-Z, ]+)\)/.exec(line);
    if (match === null) return [];
    const [, indent = "", segment = "", methods = ""] = match;
    const depth = indent.length / 4;
    parents.splice(depth - 1, parents.length, segment);
    const path = parents.join("").replaceAll(/:([a-z_]+)/g, "{$1}");
    return methods
      .split(", ")
      .filter((each) => each !== "HEAD")
      .map((each) => `${each} ${path}`);
  });
}
