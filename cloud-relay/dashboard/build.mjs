// Builds the dashboard: `npm run dashboard`, or with --watch again at every change; `npm start` calls it when the build is stale.
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL(".", import.meta.url));
const CLIENT = fileURLToPath(new URL("../client/", import.meta.url));
export const DIST = join(ROOT, "dist");

/**
 * Whoever reads the folder meanwhile sees the old build or the new one, and two builds at once do no harm.
 * @param {{ outDir?: string, isWatching?: boolean }} options
 * @returns {Promise<void>} when it is built, or when watching has begun
 */
export async function buildDashboard({ outDir = DIST, isWatching = false } = {}) {
  const { build } = await import("vite");
  const scratch = join(dirname(outDir), ".millrace", `${process.pid}-${Math.round(performance.now())}`);
  const folder = isWatching ? outDir : join(scratch, "new");
  await build({
    configFile: false,
    root: ROOT,
    base: "/dashboard/",
    logLevel: "warn",
    publicDir: false,
    // TypeScript 7 has no interface for tools: the settings that matter are given here.
    // Whatever NODE_ENV says: the other form names the files of the machine that built it.
    oxc: { jsx: { runtime: "automatic", importSource: "preact", development: false } },
    build: {
      outDir: folder,
      emptyOutDir: true,
      target: ["chrome123", "edge123", "firefox121", "safari17.5"],
      manifest: true,
      // Nothing inline: the policy refuses it, and data: URLs would not be cached.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      watch: isWatching ? {} : null,
    },
  });
  if (!isWatching) replaceFolder(outDir, folder, scratch);
}

/** Whether a source is newer than the build, or there is none. */
export function isStale() {
  const manifest = join(DIST, ".vite", "manifest.json");
  if (!existsSync(manifest)) return true;
  const builtAtMs = statSync(manifest).mtimeMs;
  return [ROOT, CLIENT].some((folder) => newestMs(folder) > builtAtMs);
}

/**
 * What a browser loads before the first screen shows: the page, the entry's script, what it imports, and its styles.
 * @param {string} outDir
 * @returns {string[]} paths of files
 */
export function firstLoad(outDir = DIST) {
  const manifest = JSON.parse(readFileSync(join(outDir, ".vite", "manifest.json"), "utf8"));
  const files = new Set(["index.html"]);
  const add = (name) => {
    const { file, css = [], imports = [] } = manifest[name];
    if (files.has(file)) return;
    for (const each of [file, ...css]) files.add(each);
    for (const each of imports) add(each);
  };
  for (const [name, { isEntry }] of Object.entries(manifest)) if (isEntry) add(name);
  return [...files].map((file) => join(outDir, file));
}

function replaceFolder(folder, by, scratch) {
  try {
    if (existsSync(folder)) renameSync(folder, join(scratch, "old"));
    renameSync(by, folder);
  } catch (error) {
    // Another build was quicker: its files are as good.
    if (!["ENOTEMPTY", "EEXIST", "ENOENT"].includes(error.code)) throw error;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function newestMs(folder) {
  let newest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === "dist" || entry.name === ".millrace") continue;
    const path = join(folder, entry.name);
    newest = Math.max(newest, entry.isDirectory() ? newestMs(path) : statSync(path).mtimeMs);
  }
  return newest;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await buildDashboard({ isWatching: process.argv.includes("--watch") });
