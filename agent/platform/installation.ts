// How a program knows whether it runs from an installed package or from a checkout.
import { join } from "node:path";

export interface Installation {
  /** The folder of this version: runtime, scripts, addon, packs; absolute, symbolic links resolved. */
  readonly folder: string;
  /** The signed list of every file in that folder, `<file>.sig` beside it. */
  readonly manifestFile: string;
}

/** Undefined in a checkout, where the sources run as they are. A package has all its scripts in one folder. */
export function installation(): Installation | undefined {
  if (import.meta.filename.endsWith(".ts")) return undefined;
  return { folder: import.meta.dirname, manifestFile: join(import.meta.dirname, "manifest.json") };
}
