// One operation for readers: what it does, what it takes, what it answers, and how to call it.
import { html, line, prose, table, type Html } from "./html.ts";
import { WRITE_EXAMPLES, type WriteExamples } from "./write-examples.ts";
import { json, schemaTable, typeWords, type Address, type Json } from "./schema-view.ts";

export interface Operation {
  readonly method: string;
  readonly path: string;
  readonly body: Json;
}

export function anchorOf({ body }: Operation): string {
  return typeof body["operationId"] === "string" ? body["operationId"] : "";
}

export function operationView(operation: Operation, address: Address): Html {
  const { method, path, body } = operation;
  return html`<section id="${anchorOf(operation)}">
    <h2><a href="#${anchorOf(operation)}">${textOf(body["summary"])}</a></h2>
    <p class="call"><b class="${method}">${method.toUpperCase()}</b> <code>${path}</code></p>
    ${prose(textOf(body["description"]))}
    <p class="quiet">${tokenWords(body)}</p>
    ${parameters(body, address)} ${requestBody(body, address)}
    <h3>Try it</h3>
    <pre>${curl(operation)}</pre>
    <h3>Answers</h3>
    ${answers(body, address)}
  </section>`;
}

function tokenWords(body: Json): string {
  const schemes = Object.assign({}, ...((body["security"] as readonly Json[] | undefined) ?? [])) as Json;
  if ("admin" in schemes) return "Needs an admin token, or a workspace token with the scope admin.";
  const [scope] = (schemes["data"] as readonly string[] | undefined) ?? [];
  if (scope === undefined) return "Needs no token.";
  return `Needs a connection's or a workspace's token with the scope ${scope}.`;
}

function parameters(body: Json, address: Address): Html | undefined {
  const list = (body["parameters"] as readonly Json[] | undefined) ?? [];
  if (list.length === 0) return undefined;
  const rows = list.map((parameter) => {
    const schema = json(parameter["schema"]);
    const words = textOf(parameter["description"] ?? schema["description"]);
    const isNeeded = parameter["required"] === true ? html` <small>always</small>` : undefined;
    const place = textOf(parameter["in"]);
    const where = place === "query" ? undefined : html` <small>in the ${place}</small>`;
    return html`<tr>
      <td><code>${textOf(parameter["name"])}</code>${isNeeded}${where}</td>
      <td>${typeWords(schema, address)}</td>
      <td>${line(words)}</td>
    </tr>`;
  });
  return html`<h3>Parameters</h3>
    ${table(["Name", "Type", "Meaning"], rows)}`;
}

function requestBody(body: Json, address: Address): Html | undefined {
  const [first] = Object.entries(json(json(body["requestBody"])["content"]));
  if (first === undefined) return undefined;
  const [type, media] = first;
  return html`<h3>Body <small>${type}</small></h3>
    ${schemaTable(json(json(media)["schema"]), address)}`;
}

function answers(body: Json, address: Address): Html {
  const rows = Object.entries(json(body["responses"])).map(([status, value]) => {
    const content = Object.entries(json(json(value)["content"])).map(([type, media]) => {
      return html`<div><small>${type}</small> ${answerType(json(json(media)["schema"]), address)}</div>`;
    });
    return html`<tr>
      <td><b class="s${status.charAt(0)}">${status}</b></td>
      <td>${when(textOf(json(value)["description"]))}</td>
      <td>${content}</td>
    </tr>`;
  });
  return table(["Status", "When", "Body"], rows);
}

/** `CODE: what it means. CODE: …` of problems, each code leading to the list of all; anything else as it is. */
function when(description: string): Html {
  if (!/^[A-Z_]+: /.test(description)) return line(description);
  const problems = description.split(/\. (?=[A-Z_]+: )/).map((problem) => {
    const [code = "", ...words] = problem.split(": ");
    return html`<div>
      <a href="/docs/problems#${code}"><code>${code}</code></a> ${words.join(": ")}
    </div>`;
  });
  return html`${problems}`;
}

/** A page of a list names what is in it. */
function answerType(schema: Json, address: Address): Html {
  const data = json(json(schema["properties"])["data"]);
  return data["items"] === undefined
    ? typeWords(schema, address)
    : html`page of ${typeWords(json(data["items"]), address)}`;
}

/** One line for each header and the body, so that nothing is cut off. */
function curl({ method, path, body }: Operation): string {
  const isPublic = (body["security"] as readonly unknown[] | undefined)?.length === 0;
  const example = exampleOf(method, path);
  const filled = path.replace("{operation}", example?.operation ?? "{operation}");
  const variables = filled.replaceAll(/\{(\w+)\}/g, (_, name: string) => `$${name.toUpperCase()}`);
  const query = isList(body) ? "?limit=2" : "";
  const parts = [
    `curl -s ${method === "get" ? "" : `-X ${method.toUpperCase()} `}"$API${variables}${query}"`,
  ];
  if (!isPublic) parts.push(`-H "Authorization: Bearer $TOKEN"`);
  const [type] = Object.keys(json(json(body["requestBody"])["content"]));
  if (type !== undefined) {
    parts.push(`-H "Content-Type: ${type}"`);
    parts.push(`-d '${example === undefined ? exampleBody(body, type) : JSON.stringify(example.body)}'`);
  }
  return parts.join(" \\\n  ");
}

function isList(body: Json): boolean {
  const parameters = (body["parameters"] as readonly Json[] | undefined) ?? [];
  return parameters.some(({ name }) => name === "limit");
}

interface Example {
  readonly body: unknown;
  readonly operation?: string;
}

/** Of writes of records. */
function exampleOf(method: string, path: string): Example | undefined {
  const [, list = "", more = ""] = /^\/v1\/([a-z-]+)(.*)$/.exec(path) ?? [];
  const { create, update, action } = WRITE_EXAMPLES[list] ?? {};
  if (method === "post" && more === "" && create !== undefined) return { body: create };
  if (method === "patch" && more === "/{id}" && update !== undefined) return { body: update };
  if (method === "post" && more === "/{id}/actions/{operation}") return action;
  if (method === "post" && more === "/bulk") return bulkOf(create, update);
  return undefined;
}

function bulkOf(create: WriteExamples["create"], update: WriteExamples["update"]): Example {
  const created = create === undefined ? [] : [{ op: "create", values: create }];
  const items = [...created, { op: "update", id: "…", values: update ?? {} }];
  return { body: { items } };
}

/** The required members with their examples, else an empty object. */
function exampleBody(body: Json, type: string): string {
  const schema = json(json(json(json(body["requestBody"])["content"])[type])["schema"]);
  const [given] = (schema["examples"] as readonly unknown[] | undefined) ?? [];
  if (given !== undefined) return JSON.stringify(given);
  const needed = (schema["required"] as readonly string[] | undefined) ?? [];
  const members = needed.map((name) => {
    const [example] =
      (json(json(schema["properties"])[name])["examples"] as readonly unknown[] | undefined) ?? [];
    return [name, example ?? "…"] as const;
  });
  return JSON.stringify(Object.fromEntries(members));
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
