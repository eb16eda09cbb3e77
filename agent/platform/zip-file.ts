// Writes a ZIP archive that only its owner reads: whole or not at all.
import { closeSync, fsyncSync, linkSync, openSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { zipSync, type Zippable } from "fflate";
import { MillraceError, messageOf } from "#common/runtime/errors.ts";

export interface ZipEntry {
  readonly name: string;
  readonly text: string;
}

/** The entries are in memory; the caller bounds them. Nothing is replaced. @throws MillraceError */
export function writeZip(file: string, entries: readonly ZipEntry[], atMs: number): number {
  const mtime = new Date(Math.max(atMs, Date.UTC(1980, 0, 2)));
  const content: Zippable = {};
  for (const { name, text } of entries) content[name] = [Buffer.from(text, "utf8"), { mtime }];
  const bytes = zipSync(content, { level: 6 });
  const part = `${file}.${randomBytes(4).toString("hex")}.part`;
  try {
    const fd = openSync(part, "wx", 0o600);
    try {
      writeFileSync(fd, bytes);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    // A link, unlike a rename, replaces nothing that is there.
    linkSync(part, file);
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === "EEXIST";
    const advice = isThere
      ? "it is there already; name another file by --out"
      : "name another place by --out";
    throw new MillraceError(`writing ${file} failed: ${messageOf(error)}; ${advice}`, { cause: error });
  } finally {
    rmSync(part, { force: true });
  }
  return bytes.length;
}
