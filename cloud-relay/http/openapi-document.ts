// The finished OpenAPI document: what Fastify's plugin made of the routes, with what holds for every answer written in.
import type { HttpServer } from "./http-types.ts";
import { webhooksOfDocument } from "./webhook-catalogue.ts";

type Json = Record<string, unknown>;

/** Longest text that any answer holds: a field of a record (common/contract/model/fields.ts). */
const MAX_TEXT_CHARS = 262_144;
/** Longest list inside an answer, where its schema says nothing shorter. */
const MAX_ITEMS = 10_000;

const HEADERS: Readonly<Record<string, Json>> = {
  "X-Request-Id": {
    description: "Names this request; tell it to the operator. A safe one of the caller's is kept.",
    schema: { type: "string", maxLength: 100 },
    example: "req_01980c5e7f3a7c4e",
  },
  RateLimit: {
    description:
      "What remains of the quota that is nearest to its end: requests (`r`) and seconds until it is whole again (`t`), as in draft-ietf-httpapi-ratelimit-headers",
    schema: { type: "string", maxLength: 100 },
    example: '"connection";r=597;t=13',
  },
  "RateLimit-Policy": {
    description: "The quotas that hold for the token: requests (`q`) in a window of seconds (`w`)",
    schema: { type: "string", maxLength: 200 },
    example: '"connection";q=600;w=60, "workspace";q=6000;w=60',
  },
  "Retry-After": {
    description: "Seconds to wait before the same request may succeed",
    schema: { type: "integer", format: "int32", minimum: 0, maximum: 86_400 },
    example: 13,
  },
};

const documents = new WeakMap<HttpServer, Json>();

/** Made once; the routes do not change while the relay serves. Only after `app.ready()`. */
export function openApiDocument(app: HttpServer): Json {
  const known = documents.get(app);
  if (known !== undefined) return known;
  const document = structuredClone(app.swagger()) as unknown as Json;
  if (app.hasRoute({ method: "GET", url: "/v1/webhook-endpoints" }))
    document["webhooks"] = webhooksOfDocument();
  describeLimits(document);
  // Whoever may reach the relay may use this API; there is no second, internal one.
  for (const server of document["servers"] as Json[]) server["x-internal"] = false;
  const components = document["components"] as Json;
  components["headers"] = HEADERS;
  for (const path of Object.values(document["paths"] as Json))
    for (const operation of Object.values(path as Json)) finishOperation(operation as Json);
  documents.set(app, document);
  return document;
}

function finishOperation(operation: Json): void {
  const isPublic = (operation["security"] as unknown[] | undefined)?.length === 0;
  const responses = operation["responses"] as Record<string, Json>;
  for (const [status, response] of Object.entries(responses)) {
    const names = ["X-Request-Id"];
    if (!isPublic) names.push("RateLimit", "RateLimit-Policy");
    if (status === "429" || status === "503") names.push("Retry-After");
    response["headers"] = {
      ...(response["headers"] as Json | undefined),
      ...Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }])),
    };
  }
}

/** Every text, list and whole number is bounded, by its own schema or by what an answer can hold at all. */
function describeLimits(value: unknown): void {
  if (Array.isArray(value)) value.forEach(describeLimits);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return;
  const schema = value as Json;
  for (const [name, inner] of Object.entries(schema)) {
    // Examples and constants are data, not schemas.
    if (name !== "examples" && name !== "example" && name !== "const" && name !== "enum")
      describeLimits(inner);
  }
  const isFixed = "const" in schema || "enum" in schema;
  if (schema["type"] === "string" && !isFixed) schema["maxLength"] ??= longest(schema["format"]);
  else if (schema["type"] === "array") schema["maxItems"] ??= MAX_ITEMS;
  else if (schema["type"] === "integer" && !isFixed) {
    schema["format"] ??= "int64";
    schema["minimum"] ??= Number.MIN_SAFE_INTEGER;
    schema["maximum"] ??= Number.MAX_SAFE_INTEGER;
  }
}

function longest(format: unknown): number {
  if (format === "uuid") return 36;
  return format === "date-time" ? 40 : MAX_TEXT_CHARS;
}
