// Values of named queries: their columns are read as the driver gives them, and what it would have rounded is refused.
import type { SourceValue } from "#agent/core/source/plan.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import { exactValue } from "./type-map.ts";

/** What the driver says of a value. */
export interface DriverColumn {
  readonly value: unknown;
  readonly metadata: {
    readonly colName: string;
    readonly type: { readonly name: string };
    readonly scale?: number | undefined;
  };
}

const MONEY_SCALE = 4;
/** Decimal digits that a double holds exactly. */
const EXACT_DIGITS = 15;

/** @throws ConnectorError bad_data for a number with more digits than the driver keeps */
export function queryValue({ value, metadata }: DriverColumn): SourceValue {
  const type = metadata.type.name;
  if (typeof value === "number" && /^(?:Decimal|Numeric|Money|SmallMoney)/.test(type)) {
    const scale = type.includes("Money") ? MONEY_SCALE : (metadata.scale ?? 0);
    const text = value.toFixed(scale);
    if (text.replaceAll(/[-.]/g, "").replace(/^0+/, "").length <= EXACT_DIGITS) return text;
    throw new ConnectorError(
      "bad_data",
      `The column ${metadata.colName || "without a name"} holds a number of more than ${EXACT_DIGITS} digits, which cannot be given out exactly. Let the statement write it out: CONVERT(varchar(50), …)`,
    );
  }
  return value instanceof Date ? timeText(value, type, metadata.scale) : exactValue(value);
}

/** Without zone as it stands there; with an offset as the instant in UTC. */
function timeText(value: Date, type: string, scale = 3): string {
  const text = value.toISOString().slice(0, 19);
  if (type === "Date") return text.slice(0, 10);
  const digits = /^(?:DateTime2|DateTimeOffset|Time)/.test(type) ? scale : 3;
  const beyond = (value as Date & { readonly nanosecondsDelta?: number }).nanosecondsDelta ?? 0;
  const nanos = BigInt(value.getUTCMilliseconds()) * 1_000_000n + BigInt(Math.round(beyond * 1e9));
  const fraction = nanos.toString().padStart(9, "0").slice(0, digits);
  const whole = fraction === "" ? text : `${text}.${fraction}`;
  if (type === "Time") return whole.slice(11);
  return type === "DateTimeOffset" ? `${whole}Z` : whole;
}
