// How ids, event ids, sample values and times are kept in columns.

const STREAM_PREFIX = /^evt_([0-9a-f]{16})_(0|[1-9]\d{0,15})_$/;
const INTEGER = /^(?:0|[1-9]\d{0,14})$/;
const UUID_CHARS = 36;
const DASH = 45;
/** Value of each lower-case hexadecimal digit by its character code; 255 for all other characters. */
const DIGITS = Uint8Array.from({ length: 128 }, (_, code) => {
  const value = "0123456789abcdef".indexOf(String.fromCharCode(code));
  return value < 0 ? 255 : value;
});

export type IdColumn = Uint8Array | string;

/** 16 bytes for a canonical UUID; any other id stays text. By hand, because ingest does it twice for every change. */
export function idColumn(id: string): IdColumn {
  if (id.length !== UUID_CHARS) return id;
  const bytes = Buffer.allocUnsafe(16);
  let at = 0;
  for (let index = 0; index < UUID_CHARS; index += 2) {
    if (index === 8 || index === 13 || index === 18 || index === 23) {
      if (id.charCodeAt(index) !== DASH) return id;
      index += 1;
    }
    const high = DIGITS[id.charCodeAt(index)] ?? 255;
    const low = DIGITS[id.charCodeAt(index + 1)] ?? 255;
    if (high > 15 || low > 15) return id;
    bytes[at] = (high << 4) | low;
    at += 1;
  }
  return bytes;
}

export function idText(column: IdColumn): string {
  if (typeof column === "string") return column;
  return uuidOf(Buffer.from(column.buffer, column.byteOffset, column.byteLength).toString("hex"));
}

const TEXT_MARK = "=";

/** SQL for an id column as text, for `idOfHex`: a blob costs three times as much to read. */
export function idAsHex(column: string): string {
  return `iif(typeof(${column}) = 'blob', lower(hex(${column})), '${TEXT_MARK}' || ${column})`;
}

export function idOfHex(hex: string): string {
  return hex.startsWith(TEXT_MARK) ? hex.slice(TEXT_MARK.length) : uuidOf(hex);
}

function uuidOf(hex: string): string {
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

/** Takes event ids apart; remembers the last stream and seq, which a whole batch shares. */
export class EventIds {
  #prefix = "";
  #epoch = "";
  #seq: number | undefined;

  columns(id: string, position: number): EventIdColumns {
    if (id.startsWith("evt_r_") && id === `evt_r_${position}`) return DERIVED;
    const cut = id.lastIndexOf("_") + 1;
    if (this.#prefix.length !== cut || !id.startsWith(this.#prefix)) this.#learn(id.slice(0, cut));
    const entry = id.slice(cut);
    if (this.#seq === undefined || !INTEGER.test(entry)) return { ...DERIVED, text: id };
    return { epoch: this.#epoch, seq: this.#seq, entry: Number(entry), text: null };
  }

  #learn(prefix: string): void {
    const match = STREAM_PREFIX.exec(prefix);
    const seq = Number(match?.[2]);
    this.#prefix = prefix;
    this.#epoch = match?.[1] ?? "";
    this.#seq = Number.isSafeInteger(seq) ? seq : undefined;
  }
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
