// A value that cannot become what the model asks for. Stays inside the mapper, which turns it into a rejected row.
import { show } from "./pack-reader.ts";

export type BadValueCode =
  | "BAD_BOOLEAN"
  | "BAD_DATE"
  | "BAD_DECIMAL"
  | "BAD_NUMBER"
  | "BAD_TEXT"
  | "BAD_TIMESTAMP"
  | "KEY_NULL"
  | "KEY_TOO_LONG"
  | "NAME_TOO_LONG"
  | "TEXT_TOO_LONG"
  | "TOO_MANY_ROWS";

export class BadValue extends Error {
  readonly code: BadValueCode;
  constructor(code: BadValueCode, detail: string) {
    super(detail);
    this.code = code;
  }
}

/** The value is quoted, at most 100 characters of it. */
export function badValue(code: BadValueCode, column: string, value: unknown, wanted: string): BadValue {
  const quoted = value instanceof Uint8Array ? `${value.byteLength} bytes` : show(value);
  return new BadValue(code, `column ${column.slice(0, 200)} holds ${quoted}, which is no ${wanted}`);
}
