// Serves the dashboard: files that were built once, read once, and held with their compressed form.
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { gzipSync } from "node:zlib";
import type { FastifyReply } from "fastify";
import { Problem } from "#relay/core/problem.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";

export const DASHBOARD_PATH = "/dashboard";
/** Its own scripts, styles and data; nothing from elsewhere, nothing inline. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join("; ");
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
  ".woff2": "font/woff2",
};
const INDEX = "index.html";
/** Names of built files carry a hash of what is in them. */
const HASHED = /-[A-Za-z0-9_-]{8,}\.\w+$/;
const MAX_FILES = 500;

interface Asset {
  readonly type: string;
  readonly bytes: Buffer;
  readonly zipped: Buffer;
  readonly etag: string;
  readonly isHashed: boolean;
}

const MISSING = Buffer.from(
  `<!doctype html><html lang="en"><title>Millrace</title><h1>The dashboard was not built</h1>
<p>Run <code>npm run dashboard</code> in Millrace's folder and start the relay again. The API works without it: see <a href="/docs">/docs</a>.</p></html>`,
);

export async function addDashboardRoutes(app: HttpServer, { dashboardDir }: HttpDeps): Promise<void> {
  const assets = await readAssets(dashboardDir);
  const index = assets.get(INDEX) ?? assetOf(INDEX, MISSING);
  // Pages for people: they are not part of the API's description.
  const page = { schema: { hide: true }, config: { access: "public" } } as const;
  app.get("/", { ...page, handler: (_request, reply) => reply.redirect(DASHBOARD_PATH, 302) });
  app.get(DASHBOARD_PATH, { ...page, handler: (request, reply) => send(request.headers, reply, index) });
  app.get(`${DASHBOARD_PATH}/*`, {
    ...page,
    handler: (request, reply) => {
      const path = (request.params as { readonly "*": string })["*"];
      const asset = assets.get(path);
      if (asset === undefined && extname(path) !== "")
        throw new Problem(
          "NOT_FOUND",
          `The dashboard has no file ${path}. Reload the page: the relay may have been updated.`,
        );
      return send(request.headers, reply, asset ?? index);
    },
  });
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

function send(headers: Headers, reply: FastifyReply, asset: Asset): FastifyReply {
  reply
    .header("content-security-policy", POLICY)
    .header("x-frame-options", "DENY")
    .header("cross-origin-opener-policy", "same-origin")
    .header("etag", asset.etag)
    .header("vary", "accept-encoding")
    .header("cache-control", asset.isHashed ? "public, max-age=31536000, immutable" : "no-cache")
    .type(asset.type);
  if (headers["if-none-match"] === asset.etag) return reply.code(304).send();
  const takesGzip = /\bgzip\b/.test([headers["accept-encoding"] ?? ""].flat().join(","));
  return takesGzip ? reply.header("content-encoding", "gzip").send(asset.zipped) : reply.send(asset.bytes);
}

/** By path under the folder; none when it was not built. */
async function readAssets(folder: string | undefined): Promise<ReadonlyMap<string, Asset>> {
  const assets = new Map<string, Asset>();
  if (folder === undefined) return assets;
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries.slice(0, MAX_FILES)) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const path = file.slice(folder.length).replaceAll("\\", "/").replace(/^\/+/, "");
    assets.set(path, assetOf(path, await readFile(file)));
  }
  return assets;
}

function assetOf(path: string, bytes: Buffer): Asset {
  return {
    type: TYPES[extname(path)] ?? "application/octet-stream",
    bytes,
    zipped: gzipSync(bytes),
    etag: `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`,
    isHashed: HASHED.test(path),
  };
}
