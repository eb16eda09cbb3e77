// What the plant lets a value be: its range and its list of values. All that is given must hold.
import { compareDecimals } from "./decimals.ts";
import {
  decodeValue,
  isNumericType,
  shown,
  type Decoded,
  type Scalar,
  type ValueType,
} from "./value-types.ts";

export interface ValueLimits {
  /** Plain decimals, inclusive. */
  readonly min: string | undefined;
  readonly max: string | undefined;
  /** Undefined: any within the range. */
  readonly values: readonly Scalar[] | undefined;
}

/** Why nothing at all can be written within these limits; undefined: something can. */
export function limitsProblem(limits: ValueLimits, type: ValueType): string | undefined {
  const hasRange = limits.min !== undefined && limits.max !== undefined;
  if (!isNumericType(type)) {
    const isRanged = limits.min !== undefined || limits.max !== undefined;
    return isRanged ? `min and max are for numbers, and this is a ${type}; list \`values\`` : undefined;
  }
  return hasRange || limits.values !== undefined
    ? undefined
    : `a number (${type}) needs \`min\` and \`max\`, or \`values\`, before it may be written`;
}

/** The exact value if it is of the type and within the limits. Never throws. */
export function decodeWithin(limits: ValueLimits, type: ValueType, given: unknown): Decoded {
  const decoded = decodeValue(type, given);
  if (!decoded.ok) return decoded;
  const problem = outside(limits, type, decoded);
  return problem === undefined ? decoded : { ok: false, message: problem };
}

function outside(
  limits: ValueLimits,
  type: ValueType,
  { value, decimal }: Decoded & { ok: true },
): string | undefined {
  const { min, max, values } = limits;
  const isAllowed = (one: Scalar): boolean => {
    const decoded = decodeValue(type, one);
    return decoded.ok && decoded.value === value;
  };
  if (values !== undefined && !values.some(isAllowed))
    return `${shown(value)} is not among the values that the plant allows: ${values.map(shown).join(", ")}`;
  return decimal === undefined ? undefined : outsideRange(min, max, decimal);
}

/** Compared as decimals: a limit of 0.1 means 0.1, whatever a Float makes of it. */
export function outsideRange(
  min: string | undefined,
  max: string | undefined,
  decimal: string,
): string | undefined {
  const isBelow = min !== undefined && compareDecimals(decimal, min) < 0;
  const isAbove = max !== undefined && compareDecimals(decimal, max) > 0;
  return isBelow || isAbove
    ? `${decimal} is outside what the plant allows, ${min ?? "…"} to ${max ?? "…"}`
    : undefined;
}
