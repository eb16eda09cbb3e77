// Durations and sizes as people write them: `30s`, `512MiB`.

const DURATION_UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const SIZE_UNITS_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1_000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** The longest wait that a Node timer can hold; a longer one would fire at once. */
export const MAX_DURATION = "24d";

/** `250ms`, `30s`, `1.5m`, `1h`, `1d` → whole ms; undefined if it is not one. */
export function parseDuration(text: string): number | undefined {
  return parseQuantity(text, DURATION_UNITS_MS);
}

/** `64KiB`, `512MiB`, `1.5GiB`, `500MB` → whole bytes; undefined if it is not one. */
export function parseSize(text: string): number | undefined {
  return parseQuantity(text, SIZE_UNITS_BYTES);
}

/** The shortest exact way to write a duration. */
export function formatDuration(ms: number): string {
  return formatQuantity(ms, DURATION_UNITS_MS);
}

/** For people: the largest binary unit, one decimal. */
export function formatSize(bytes: number): string {
  const unit = Object.entries(binaryUnits).findLast(([, factor]) => factor <= bytes) ?? ["B", 1];
  return `${(bytes / unit[1]).toFixed(1).replace(/\.0$/, "")}${unit[0]}`;
}

const binaryUnits = Object.fromEntries(
  Object.entries(SIZE_UNITS_BYTES).filter(([unit]) => unit === "B" || unit.endsWith("iB")),
);

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,9})?) ?([A-Za-z]+)$/.exec(text.trim());
  const factor = match?.[2] === undefined ? undefined : units[match[2]];
  if (match?.[1] === undefined || factor === undefined) return undefined;
  return Math.round(Number(match[1]) * factor);
}

function formatQuantity(value: number, units: Readonly<Record<string, number>>): string {
  const entries = Object.entries(units);
  const [unit, factor] = entries.findLast(([, size]) => value >= size && value % size === 0) ??
    entries[0] ?? ["", 1];
  return `${value / factor}${unit}`;
}
