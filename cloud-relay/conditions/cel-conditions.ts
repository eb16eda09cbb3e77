// Conditions over events in CEL: checked when they are saved, and too small to hold up the relay when they run.
import { Environment, EvaluationError, ParseError, TypeError as CelTypeError } from "@marcbachmann/cel-js";
import { MillraceError } from "#common/runtime/errors.ts";
import type { Condition, Conditions } from "#relay/core/webhooks/sender.ts";
import { findUnbounded } from "./bounded-expression.ts";
import { conditionValues } from "./condition-values.ts";

const MAX_SOURCE_CHARS = 2_000;

/** What an event's payload holds; what may be null has no type of its own. */
const EVENT_FIELDS = {
  id: "string",
  type: "string",
  timestamp: "string",
  workspace_id: "string",
  connection_id: "dyn",
  entity: "dyn",
  record_id: "dyn",
  revision: "dyn",
  origin: "dyn",
  cause: "dyn",
  changed_fields: "dyn",
  data: "map",
  links: "map",
  test: "dyn",
  truncated: "dyn",
} as const;

const HINTS: Readonly<Record<string, string>> = {
  unknown_variable: 'everything is found under event: event.type == "purchase_order.updated"',
  no_such_key: `an event has ${Object.keys(EVENT_FIELDS).join(", ")}`,
  no_such_overload:
    "compare like with like: texts in quotes, and amounts and quantities, which are texts, by double(…)",
  unexpected_token: "an operand, a bracket or a quote is missing or too many",
};

/** `onFailure`: called for each event on which a condition could not be evaluated, which then does not match. */
export class CelConditions implements Conditions {
  readonly #environment = new Environment({
    homogeneousAggregateLiterals: false,
    enableOptionalTypes: false,
    limits: { maxAstNodes: 400, maxDepth: 40, maxListElements: 200, maxMapEntries: 20, maxCallArguments: 8 },
  }).registerVariable({ name: "event", schema: EVENT_FIELDS });
  readonly #onFailure: () => void;

  constructor(onFailure: () => void = () => {}) {
    this.#onFailure = onFailure;
  }

  compile(source: string): Condition {
    if (source.trim() === "")
      throw new MillraceError("the condition is empty; leave it out to get every event");
    if (source.length > MAX_SOURCE_CHARS)
      throw new MillraceError(
        `the condition has ${source.length} characters; ${MAX_SOURCE_CHARS} are allowed. Several endpoints can share the work`,
      );
    const evaluate = this.#parse(source);
    return (event) => {
      try {
        return evaluate({ event: conditionValues(event) }) === true;
      } catch {
        this.#onFailure();
        return false;
      }
    };
  }

  #parse(source: string): (context: Record<string, unknown>) => unknown {
    try {
      const parsed = this.#environment.parse(source);
      const unbounded = findUnbounded(parsed.ast);
      if (unbounded !== undefined) throw refused(source, unbounded.at, unbounded.what, unbounded.hint);
      const { valid, type, error } = parsed.check();
      if (!valid) throw error ?? refused(source, 0, "it does not fit an event");
      if (type !== "bool" && type !== "dyn")
        throw refused(source, 0, `it comes to a ${type ?? "value"}`, "it must come to true or false");
      return parsed;
    } catch (error) {
      if (error instanceof MillraceError) throw error;
      if (error instanceof ParseError || error instanceof CelTypeError || error instanceof EvaluationError)
        throw refused(source, error.range?.start ?? 0, error.summary, HINTS[error.code], error);
      throw error;
    }
  }
}

/** `at`: characters before the place. */
function refused(source: string, at: number, what: string, hint?: string, cause?: Error): MillraceError {
  const before = source.slice(0, at).split("\n");
  const place = `line ${before.length}, character ${(before.at(-1)?.length ?? 0) + 1}`;
  const advice = hint === undefined ? "" : `; ${hint}`;
  return new MillraceError(`the condition cannot be used: ${place}: ${what}${advice}`, { cause });
}
