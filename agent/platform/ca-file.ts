// Further certificate authorities for the way to the relay, from the file that the configuration names.
import { readFileSync } from "node:fs";
import { MillraceError, messageOf } from "#common/runtime/errors.ts";

/** PEM texts, none without a file. @throws MillraceError */
export function readCaFile(caFile: string | undefined): readonly string[] {
  if (caFile === undefined) return [];
  try {
    return [readFileSync(caFile, "utf8")];
  } catch (error) {
    const message = `relay.ca_file cannot be read: ${messageOf(error)}; check its path and permissions`;
    throw new MillraceError(message, { cause: error });
  }
}
