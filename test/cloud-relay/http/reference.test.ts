// The reference for readers: complete, every link leads somewhere, nothing is loaded from elsewhere, nothing escapes.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PROBLEM_KINDS } from "#relay/core/problem.ts";
import { openApiDocument } from "#relay/http/openapi-document.ts";
import { html, line, prose } from "#relay/http/reference/html.ts";
import { referencePages } from "#relay/http/reference/reference-pages.ts";
import { relayFixture, send, type RelayFixture } from "./relay-fixture.ts";

let relay: RelayFixture;
let pages: ReadonlyMap<string, string> = new Map();
beforeAll(async () => {
  relay = await relayFixture();
  pages = referencePages(openApiDocument(relay.app));
});
afterAll(() => relay[Symbol.asyncDispose]());

const all = (pattern: RegExp, text: string): string[] =>
  [...text.matchAll(pattern)].map((match) => match[1] ?? "");

test("is served without a token, as pages that may load their stylesheet and nothing else", async () => {
  const overview = await send(relay, "GET", "/docs");
  expect(overview.status).toBe(200);
  expect(overview.headers["content-type"]).toBe("text/html; charset=utf-8");
  expect(overview.headers["content-security-policy"]).toContain("default-src 'none'; style-src 'self'");
  expect(overview.text).toBe(pages.get(""));
  const style = await send(relay, "GET", "/docs/style.css");
  expect([style.status, style.headers["content-type"]]).toEqual([200, "text/css; charset=utf-8"]);
  const wrong = await send(relay, "GET", "/docs/nothing");
  expect([wrong.status, wrong.body?.code]).toEqual([404, "NOT_FOUND"]);
});

test("no page has a script, a style of its own, or anything from another host", () => {
  for (const [slug, page] of pages) {
    expect([slug, all(/(<script|<style| style=| on\w+=|javascript:)/g, page)]).toEqual([slug, []]);
    const loaded = all(/<(?:link|img|iframe|object)[^>]+(?:href|src)="([^"]*)"/g, page);
    expect([slug, loaded]).toEqual([slug, ["/docs/style.css"]]);
  }
});

test("every operation, named schema and problem has its place", () => {
  const document = openApiDocument(relay.app) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly operationId: string }>>>>;
    readonly components: { readonly schemas: object };
  };
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  const places = new Set([...pages.values()].flatMap((page) => all(/ id="([^"]+)"/g, page)));
  const wanted = [
    ...operations.map(({ operationId }) => operationId),
    ...Object.keys(document.components.schemas),
    ...Object.keys(PROBLEM_KINDS),
  ];
  expect(wanted.filter((place) => !places.has(place))).toEqual([]);
});

test("every link leads to a page and a place in it", () => {
  const dead = [...pages].flatMap(([slug, page]) =>
    all(/<a[^>]* href="([^"]+)"/g, page).filter((href) => {
      if (href === "/v1/openapi.json") return false;
      const [path = "", place] = href.split("#");
      const target = path === "" ? slug : path.replace(/^\/docs\/?/, "");
      const found = pages.get(target);
      return found === undefined || (place !== undefined && !found.includes(` id="${place}"`));
    }),
  );
  expect(dead).toEqual([]);
});

describe("html", () => {
  test("escapes every value, in texts and attributes; lists are joined, undefined is nothing", () => {
    const evil = `<b onclick="x('&')">`;
    expect(html`<p title="${evil}">${evil}</p>`.text).toBe(
      `<p title="&lt;b onclick=&quot;x(&#39;&amp;&#39;)&quot;&gt;">&lt;b onclick=&quot;x(&#39;&amp;&#39;)&quot;&gt;</p>`,
    );
    expect(html`<i>${[html`<b>${1}</b>`, undefined]}${undefined}</i>`.text).toBe("<i><b>1</b></i>");
  });

  test("descriptions know code, bold and paragraphs; what looks like markup stays text", () => {
    expect(line("`a<b` and **c** <i>").text).toBe("<code>a&lt;b</code> and <strong>c</strong> &lt;i&gt;");
    expect(prose("one\n\ntwo").text).toBe("<p>one</p><p>two</p>");
  });
});
