// The API's reference as pages of HTML, made once from the OpenAPI document: an overview, a page for each tag, schemas, problems.
import { PROBLEM_KINDS, type ProblemCode } from "#relay/core/problem.ts";
import { guidePage, PREPARATION } from "./guide.ts";
import { html, line, prose, table, type Html } from "./html.ts";
import { anchorOf, operationView, textOf, type Operation } from "./operation-view.ts";
import { PROBLEM_ADVICE } from "./problem-advice.ts";
import { json, schemaTable, type Address, type Json } from "./schema-view.ts";

/** By the last part of their address; the overview is "". */
export type ReferencePages = ReadonlyMap<string, string>;

export const REFERENCE_PATH = "/docs";
const GUIDE = "guide";

interface Tag {
  readonly name: string;
  readonly slug: string;
  readonly description: string;
  readonly operations: readonly Operation[];
}

export function referencePages(document: Json): ReferencePages {
  const tags = tagsOf(document);
  const schemas = json(json(document["components"])["schemas"]);
  const home = new Map(tags.map((tag) => [ownSchema(tag, schemas), tag.slug]));
  const address: Address = (name) => `${REFERENCE_PATH}/${home.get(name) ?? "schemas"}#${name}`;
  const page = (slug: string, title: string, body: Html): [string, string] => [
    slug,
    framed(tags, slug, title, body),
  ];
  const others = Object.entries(schemas).filter(([name]) => !home.has(name));
  return new Map([
    page("", "Reference", overview(document, tags)),
    page(GUIDE, "The first day", guidePage()),
    ...tags.map((tag) => page(tag.slug, tag.name, tagPage(tag, schemas, address))),
    page(
      "schemas",
      "Schemas",
      html`<h1>Schemas</h1>
        ${others.map(([name, schema]) => schemaView(name, json(schema), address))}`,
    ),
    page("problems", "Problems", problemsPage()),
  ]);
}

function tagsOf(document: Json): readonly Tag[] {
  const operations = Object.entries(json(document["paths"])).flatMap(([path, methods]) =>
    Object.entries(json(methods)).map(([method, body]) => ({ method, path, body: json(body) })),
  );
  const tagged = (name: string): Operation[] =>
    operations.filter(({ body }) => (body["tags"] as readonly string[] | undefined)?.includes(name));
  return ((document["tags"] ?? []) as readonly Json[])
    .map((tag) => {
      const name = textOf(tag["name"]);
      return { name, slug: slugOf(name), description: textOf(tag["description"]), operations: tagged(name) };
    })
    .filter((tag) => tag.operations.length > 0);
}

function slugOf(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
}

/** The record that a tag's page is about: Purchase orders, PurchaseOrder. */
function ownSchema({ name }: Tag, schemas: Json): string | undefined {
  const words = name.replaceAll(/[^A-Za-z]+(\w)/g, (_, letter: string) => letter.toUpperCase());
  return [words.replace(/s$/, ""), words].find((candidate) => candidate in schemas);
}

function overview(document: Json, tags: readonly Tag[]): Html {
  const info = json(document["info"]);
  const lists = tags.map(({ name, slug, operations }) => {
    const rows = operations.map((operation) => {
      const href = `${REFERENCE_PATH}/${slug}#${anchorOf(operation)}`;
      return html`<tr>
        <td><b class="${operation.method}">${operation.method.toUpperCase()}</b></td>
        <td>
          <a href="${href}"><code>${operation.path}</code></a>
        </td>
        <td>${textOf(operation.body["summary"])}</td>
      </tr>`;
    });
    return html`<h3><a href="${REFERENCE_PATH}/${slug}">${name}</a></h3>
      <div class="scroll">
        <table class="list">
          ${rows}
        </table>
      </div>`;
  });
  return html`<h1>${textOf(info["title"])}: API reference</h1>
    ${prose(textOf(info["description"]))}
    <pre>
${PREPARATION}
curl -s "$API/v1/purchase-orders?limit=2" -H "Authorization: Bearer $TOKEN"</pre>
    <p>
      <a href="${REFERENCE_PATH}/${GUIDE}">The first day</a> goes through all of it step by step;
      <a href="${REFERENCE_PATH}/problems">Problems</a> has every refusal and what to do about it.
    </p>
    <p>The same as a document for programs: <a href="/v1/openapi.json">/v1/openapi.json</a> (OpenAPI 3.1).</p>
    <h2>Every operation</h2>
    ${lists}`;
}

function tagPage(tag: Tag, schemas: Json, address: Address): Html {
  const own = ownSchema(tag, schemas);
  const contents = tag.operations.map(
    (operation) => html`<li><a href="#${anchorOf(operation)}">${textOf(operation.body["summary"])}</a></li>`,
  );
  return html`<h1>${tag.name}</h1>
    ${prose(tag.description)}
    <ul>
      ${contents}${own === undefined ? undefined : html`<li><a href="#${own}">The members of ${own}</a></li>`}
    </ul>
    ${tag.operations.map((operation) => operationView(operation, address))}
    ${own === undefined ? undefined : schemaView(own, json(schemas[own]), address)}`;
}

function schemaView(name: string, schema: Json, address: Address): Html {
  const [example] = (schema["examples"] as readonly unknown[] | undefined) ?? [];
  const shown =
    example === undefined
      ? undefined
      : html`<h3>Example</h3>
          <pre>${JSON.stringify(example, undefined, 2)}</pre>`;
  return html`<section id="${name}">
    <h2><a href="#${name}">${name}</a></h2>
    ${prose(textOf(schema["description"]))} ${schemaTable(schema, address)}${shown}
  </section>`;
}

function problemsPage(): Html {
  const rows = Object.entries(PROBLEM_KINDS).map(([code, kind]) => {
    const { status, errorType, title, retryAfterS }: { readonly retryAfterS?: number } & typeof kind = kind;
    const { todo, sandbox } = PROBLEM_ADVICE[code as ProblemCode];
    return html`<tr id="${code}">
      <td>
        <b class="s${String(status).charAt(0)}">${status}</b> <code>${code}</code><br /><small
          >${errorType}</small
        >
      </td>
      <td>${title}. ${line(todo)}.</td>
      <td>${retryAfterS === undefined ? "no" : "yes"}</td>
      <td>${sandbox === undefined ? "" : line(sandbox)}</td>
    </tr>`;
  });
  return html`<h1>Problems</h1>
    ${prose("Every refusal is a problem document (RFC 9457, `application/problem+json`): `code` is for programs, `detail` says what happened and what to do, `request_id` names the request, and `errors` points at each member that is wrong. Where `retryable` is true the same request may succeed later; `Retry-After` says when, in seconds.")}
    ${table(["Code", "What it means, and what to do", "Again?", "To see it in a sandbox"], rows)}`;
}

function framed(tags: readonly Tag[], current: string, title: string, body: Html): string {
  const link = (slug: string, name: string): Html => {
    const href = slug === "" ? REFERENCE_PATH : `${REFERENCE_PATH}/${slug}`;
    return slug === current
      ? html`<li><a href="${href}" aria-current="page">${name}</a></li>`
      : html`<li><a href="${href}">${name}</a></li>`;
  };
  return `<!doctype html>\n${
    html`<html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} · Millrace</title>
        <link rel="stylesheet" href="${REFERENCE_PATH}/style.css" />
      </head>
      <body>
        <a class="skip" href="#content">To the text</a>
        <nav aria-label="Reference">
          <p class="brand">Millrace</p>
          <ul>
            ${link("", "Overview")}${link(GUIDE, "The first day")}${link("problems", "Problems")}
            ${tags.map(({ slug, name }) => link(slug, name))} ${link("schemas", "Schemas")}
          </ul>
        </nav>
        <main id="content">${body}</main>
      </body>
    </html>`.text
  }\n`;
}
