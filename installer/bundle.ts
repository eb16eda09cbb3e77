// Turns the sources of a product into the few files that run on a platform without npm packages.
import { readFile } from "node:fs/promises";
import { build, type Metafile, type Plugin } from "esbuild";
import { BuildError } from "./build-error.ts";
import { PLATFORM_FACTS, type Platform, type Product } from "./platforms.ts";
import { ROOT } from "./source-commit.ts";

const ENTRY_POINTS: Readonly<Record<Product, Readonly<Record<string, string>>>> = {
  agent: {
    main: "agent/bin.mjs",
    room: "agent/room.ts",
    "integrity-thread": "agent/outbox/integrity-thread.mjs",
  },
  relay: {
    main: "cloud-relay/bin.mjs",
    "checkpoint-thread": "cloud-relay/store/sqlite/checkpoint-thread.ts",
  },
};

/**
 * Found by trying at run time, absent on purpose: what tries for them goes on without. A stub of proper-lockfile would be
 * taken for the real one.
 */
const ABSENT = ["proper-lockfile", "pg-native", "bufferutil", "utf-8-validate"];
/** Only for signing in to SQL Server by Entra ID, which no setting of the connector offers. */
const UNUSED = /^@azure\/(identity|keyvault-keys)$/;

/** The whole package has a server and fixtures of its tests in it; all that the connector uses is in the client. */
const CLIENT_ONLY = { "node-opcua": "node-opcua-client" };

/** CommonJS packages expect these; node:module's own names would clash with theirs. */
const BANNER = [
  'import { createRequire as millraceCreateRequire } from "node:module";',
  "const require = millraceCreateRequire(import.meta.url);",
  "const __filename = import.meta.filename, __dirname = import.meta.dirname;",
].join("\n");

export interface BundleRequest {
  readonly product: Product;
  readonly platform: Platform;
  readonly version: string;
  /** Written flat: `main.mjs`, other entry points, `<name>-<hash>.mjs`, the addon. */
  readonly into: string;
}

/** The same sources give the same bytes, wherever they lie. Returns what came from where. @throws BuildError with what esbuild says */
export async function bundle({ product, platform, version, into }: BundleRequest): Promise<Metafile> {
  const { addon } = PLATFORM_FACTS[platform];
  const result = await build({
    absWorkingDir: ROOT,
    entryPoints: ENTRY_POINTS[product],
    outdir: into,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    outExtension: { ".js": ".mjs" },
    chunkNames: "[name]-[hash]",
    assetNames: "[name]",
    banner: { js: BANNER },
    // Names stay, for the sake of stack traces and of packages that read them.
    minifyWhitespace: true,
    minifySyntax: true,
    keepNames: true,
    lineLimit: 200,
    // Their texts are in NOTICE.
    legalComments: "none",
    external: ABSENT,
    alias: { "better-sqlite3": `better-sqlite3/${addon}`, ...CLIENT_ONLY },
    loader: { ".node": "copy" },
    plugins: [versionOf(version), withoutUnused(), withoutHashbang()],
    metafile: true,
    logLevel: "silent",
    tsconfigRaw: {},
  }).catch((error: unknown) => {
    throw new BuildError(`the ${product} could not be bundled: ${String(error)}`, { cause: error });
  });
  return result.metafile;
}

/** `version.ts` of both products says what is asked for, and package.json stays out. */
function versionOf(version: string): Plugin {
  const contents = `export const VERSION = ${JSON.stringify(version)};`;
  return {
    name: "version",
    setup: (build) =>
      build.onLoad({ filter: /[/\\](agent[/\\]platform|cloud-relay)[/\\]version\.ts$/ }, () => ({
        contents,
      })),
  };
}

function withoutUnused(): Plugin {
  return {
    name: "unused",
    setup: (build) => {
      build.onResolve({ filter: UNUSED }, ({ path }) => ({ path, namespace: "unused" }));
      build.onLoad({ filter: /.*/, namespace: "unused" }, () => ({ contents: "module.exports = {};" }));
    },
  };
}

/** The runtime is named by whoever starts the bundle. */
function withoutHashbang(): Plugin {
  return {
    name: "hashbang",
    setup: (build) =>
      build.onLoad({ filter: /[/\\](agent|cloud-relay)[/\\]bin\.mjs$/ }, async ({ path }) => ({
        contents: (await readFile(path, "utf8")).replace(/^#!.*\n/, ""),
      })),
  };
}
