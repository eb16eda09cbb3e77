// How ids, event ids, sample values and times are kept in columns.

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const STREAM_EVENT = /^evt_([0-9a-f]{16})_(0|[1-9]\d{0,15})_$/;
const INTEGER = /^(?:0|[1-9]\d{0,14})$/;

export type IdColumn = Uint8Array | string;

/** 16 bytes for a canonical UUID; any other id stays text. */
export function idColumn(id: string): IdColumn {
  return UUID.test(id) ? Buffer.from(id.replaceAll("-", ""), "hex") : id;
}

export function idText(column: IdColumn): string {
  if (typeof column === "string") return column;
  const hex = Buffer.from(column.buffer, column.byteOffset, column.byteLength).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** An event's id taken apart: by its stream, derived from its position (nothing to keep), or as it is. */
export interface EventIdColumns {
  readonly epoch: string | null;
  readonly seq: number | null;
  readonly entry: number | null;
  readonly text: string | null;
}

const DERIVED: EventIdColumns = { epoch: null, seq: null, entry: null, text: null };

export function eventIdColumns(id: string, position: number): EventIdColumns {
  if (id === `evt_r_${position}`) return DERIVED;
  const cut = id.lastIndexOf("_") + 1;
  const entry = id.slice(cut);
  const match = STREAM_EVENT.exec(id.slice(0, cut));
  const seq = Number(match?.[2]);
  if (match === null || !INTEGER.test(entry) || !Number.isSafeInteger(seq)) return { ...DERIVED, text: id };
  return { epoch: match[1] ?? "", seq, entry: Number(entry), text: null };
}

export function eventId(columns: EventIdColumns, position: number): string {
  if (columns.text !== null) return columns.text;
  return columns.epoch === null
    ? `evt_r_${position}`
    : `evt_${columns.epoch}_${columns.seq}_${columns.entry}`;
}

/** Numbers stay numbers; every other JSON value is kept as its JSON text, null as NULL. */
export function valueColumn(value: unknown): number | string | null {
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  return value === null || value === undefined ? null : JSON.stringify(value);
}

export function sampleValue(column: number | string | null): unknown {
  return typeof column === "string" ? (JSON.parse(column) as unknown) : column;
}

/** ms with fractions to whole µs. */
export function microsOf(ms: number): number {
  return Math.round(ms * 1000);
}

export function millisOf(micros: number): number {
  return micros / 1000;
}

/** Stands for "no server time" in a key column; before any real time. */
export const NO_TIME_US = Number.MIN_SAFE_INTEGER;
