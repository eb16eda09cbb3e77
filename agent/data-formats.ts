// Says beside the data what a version must be able to read, in lines that a package's script understands before it changes anything.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { FORMAT_VERSION, MIN_READER } from "#agent/outbox/room-schema.ts";
import { AGENT_DB_MIN_READER, AGENT_DB_VERSION } from "#agent/platform/agent-database.ts";

export interface DataFormat {
  /** One word: a file of the data folder, or what stands for several. */
  readonly file: string;
  /** What this version writes, and the newest that it reads. */
  readonly format: number;
  /** A version that reads at least this may open what was written. */
  readonly minReader: number;
}

export const DATA_FORMATS: readonly DataFormat[] = [
  { file: "agent.db", format: AGENT_DB_VERSION, minReader: AGENT_DB_MIN_READER },
  { file: "rooms", format: FORMAT_VERSION, minReader: MIN_READER },
];

/** In the data folder; a line for each: file, format, least reader. */
export const DATA_FORMATS_FILE = "data-format";
const MAX_LINES = 100;

/**
 * Raises what is written there to what this version writes; a version that went back to lowers nothing, because files of the
 * newer one may still lie about. Throws what `fs` throws: a start does not depend on it, each file also says it itself.
 */
export function rememberDataFormats(dataDir: string, formats: readonly DataFormat[] = DATA_FORMATS): void {
  const file = join(dataDir, DATA_FORMATS_FILE);
  const before = readText(file);
  const known = new Map(parse(before).map((format) => [format.file, format]));
  for (const { file: name, format, minReader } of formats) {
    const was = known.get(name);
    known.set(name, {
      file: name,
      format: Math.max(format, was?.format ?? 0),
      minReader: Math.max(minReader, was?.minReader ?? 0),
    });
  }
  const lines = [...known.values()].map((one) => `${one.file} ${one.format} ${one.minReader}\n`);
  const text = lines.join("");
  if (text !== before) writeDurably(file, text);
}

function parse(text: string): DataFormat[] {
  return text
    .split("\n")
    .slice(0, MAX_LINES)
    .flatMap((line) => {
      const [, file = "", format, minReader] = /^(\S+) (\d{1,9}) (\d{1,9})$/.exec(line) ?? [];
      return file === "" ? [] : [{ file, format: Number(format), minReader: Number(minReader) }];
    });
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** Half a file would let a version in that cannot read the data. */
function writeDurably(file: string, text: string): void {
  const partial = `${file}.new`;
  const handle = openSync(partial, "w", 0o600);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(partial, file);
}
