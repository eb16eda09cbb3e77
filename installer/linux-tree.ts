// The tree of files that .deb and .rpm put down: the payload, what is around it, and who wrote what.
import { chmod, copyFile, link, mkdir, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { linuxFiles } from "./linux/files.ts";
import { linuxLayout } from "./linux/layout.ts";
import { filesOf } from "./manifest.ts";
import type { Payload } from "./payload.ts";
import { PLATFORM_FACTS } from "./platforms.ts";
import { sourceCommit } from "./source-commit.ts";

export interface PackageRequest {
  readonly payload: Payload;
  /** The folder that the package is written to. */
  readonly out: string;
  /** `quick` is for tests: a third larger, in a tenth of the time; default `small`. */
  readonly compression?: Compression;
}

export type Compression = "quick" | "small";

export interface LinuxTree {
  /** Holds `usr/…`. */
  readonly root: string;
  /** Absolute where they are installed, sorted. */
  readonly files: readonly { readonly path: string; readonly mode: number; readonly bytes: number }[];
  /** Folders that are the package's own, parents first. */
  readonly folders: readonly string[];
}

/** Some say what nobody but Debian's own tools looks at. */
export interface ExtraFile {
  readonly path: string;
  readonly content: string;
}

/** Made anew at `root`. Every file and folder bears the commit's moment. */
export async function linuxTree(
  { product, folder, version, platform }: Payload,
  root: string,
  extra: readonly ExtraFile[] = [],
): Promise<LinuxTree> {
  const { name, programs } = linuxLayout(product);
  const { executable } = PLATFORM_FACTS[platform];
  await rm(root, { recursive: true, force: true });
  const modes = new Map<string, number>();
  const place = async (path: string, mode: number): Promise<string> => {
    modes.set(path, mode);
    await mkdir(join(root, dirname(path)), { recursive: true, mode: 0o755 });
    return join(root, path);
  };
  for (const file of await filesOf(folder)) {
    const target = await place(
      `${programs}/versions/${version}/${file}`,
      file === executable ? 0o750 : 0o644,
    );
    await linkOrCopy(join(folder, file), target);
  }
  for (const { path, mode, content } of linuxFiles(product))
    await writeFile(await place(path, mode), content);
  for (const { path, content } of extra) await writeFile(await place(path, 0o644), content);
  await settle(root, modes, (await sourceCommit()).epochSeconds);
  const paths = [...modes.keys()].sort();
  return {
    root,
    files: await Promise.all(
      paths.map(async (path) => ({
        path,
        mode: modes.get(path) ?? 0,
        bytes: (await stat(join(root, path))).size,
      })),
    ),
    folders: ownFolders(paths, name),
  };
}

/** The runtime is most of a package, and need not be there twice. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch(() => copyFile(from, to));
}

async function settle(root: string, modes: ReadonlyMap<string, number>, epochSeconds: number): Promise<void> {
  for (const [path, mode] of modes) await chmod(join(root, path), mode);
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) await chmod(path, 0o755);
    await utimes(path, epochSeconds, epochSeconds);
  }
  await chmod(root, 0o755);
  await utimes(root, epochSeconds, epochSeconds);
}

/** Those that no other package has: the first one on the way that bears our name, and what is below it. */
function ownFolders(paths: readonly string[], name: string): readonly string[] {
  const folders = new Set<string>();
  for (const path of paths) {
    const parts = dirname(path).split("/");
    const first = parts.indexOf(name);
    if (first < 0) continue;
    for (let end = first + 1; end <= parts.length; end += 1) folders.add(parts.slice(0, end).join("/"));
  }
  return [...folders].sort();
}
