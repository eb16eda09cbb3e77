// Serves the API's reference: pages of HTML without script, and nothing from anywhere else.
import { Type } from "typebox";
import type { FastifyReply } from "fastify";
import { Problem } from "#relay/core/problem.ts";
import type { HttpServer } from "./http-types.ts";
import { openApiDocument } from "./openapi-document.ts";
import { REFERENCE_PATH, referencePages, type ReferencePages } from "./reference/reference-pages.ts";
import { REFERENCE_STYLE } from "./reference/reference-style.ts";
import { answers } from "./schemas.ts";

const HTML_TYPE = "text/html; charset=utf-8";
const CSS_TYPE = "text/css; charset=utf-8";
/** Its own stylesheet and nothing else. */
const PAGE_POLICY =
  "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/** The pages change with the program only. */
const CACHE = "public, max-age=300";

const Page = { description: "A page", content: { "text/html": { schema: Type.String() } } };

export function addReferenceRoutes(app: HttpServer): void {
  let pages: ReferencePages | undefined;
  const send = (reply: FastifyReply, slug: string): FastifyReply => {
    pages ??= referencePages(openApiDocument(app));
    const page = pages.get(slug);
    if (page === undefined) {
      throw new Problem(
        "NOT_FOUND",
        `There is no page ${slug} in the reference. ${REFERENCE_PATH} lists them.`,
      );
    }
    reply.header("content-security-policy", PAGE_POLICY).header("cache-control", CACHE);
    return reply.type(HTML_TYPE).send(page);
  };
  app.get(REFERENCE_PATH, {
    schema: documented("getReference", "Reference", "This API for readers: the overview.", []),
    config: { access: "public" },
    handler: (_request, reply) => send(reply, ""),
  });
  app.get(`${REFERENCE_PATH}/style.css`, {
    schema: {
      ...documented(
        "getReferenceStyle",
        "The reference's stylesheet",
        "The only thing that its pages load.",
        [],
      ),
      response: answers(
        { 200: { description: "CSS", content: { "text/css": { schema: Type.String() } } } },
        [],
      ),
    },
    config: { access: "public" },
    handler: (_request, reply) => reply.header("cache-control", CACHE).type(CSS_TYPE).send(REFERENCE_STYLE),
  });
  app.get(`${REFERENCE_PATH}/:page`, {
    schema: {
      ...documented(
        "getReferencePage",
        "One page of the reference",
        "By the name that the overview links.",
        [404],
      ),
      params: Type.Object({ page: Type.String({ maxLength: 100, description: "Such as purchase-orders" }) }),
    },
    config: { access: "public" },
    handler: (request, reply) => send(reply, request.params.page),
  });
}

function documented(operationId: string, summary: string, description: string, problems: readonly number[]) {
  return {
    operationId,
    tags: ["System"],
    summary,
    description: `${description} Needs no token.`,
    security: [],
    response: answers({ 200: Page }, problems),
  };
}
