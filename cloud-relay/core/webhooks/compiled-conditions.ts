// Endpoints' conditions, compiled once and asked of each payload.
import { messageOf } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import type { EndpointRow } from "./endpoint.ts";
import type { Condition, Conditions } from "./sender.ts";

/** Compiled ones that are kept; beyond that they are compiled anew. */
const MAX_COMPILED = 10_000;
const NEVER: Condition = () => false;

export class CompiledConditions {
  readonly #conditions: Conditions;
  readonly #logger: Logger;
  readonly #compiled = new Map<string, Condition>();

  constructor(conditions: Conditions, logger: Logger) {
    this.#conditions = conditions;
    this.#logger = logger;
  }

  /** Those without a condition, and those whose condition the payload (JSON text, full form) meets. */
  passing(endpoints: readonly EndpointRow[], payload: string): readonly EndpointRow[] {
    if (endpoints.every(({ condition }) => condition === undefined)) return endpoints;
    const event = JSON.parse(payload) as Record<string, unknown>;
    return endpoints.filter(({ id, condition }) => condition === undefined || this.#of(id, condition)(event));
  }

  #of(endpointId: string, source: string): Condition {
    const known = this.#compiled.get(source);
    if (known !== undefined) return known;
    const [oldest] = this.#compiled.keys();
    if (this.#compiled.size >= MAX_COMPILED && oldest !== undefined) this.#compiled.delete(oldest);
    const condition = this.#compile(endpointId, source);
    this.#compiled.set(source, condition);
    return condition;
  }

  /** It was checked when it was saved: one that does not compile now stops its own endpoint only. */
  #compile(endpointId: string, source: string): Condition {
    try {
      return this.#conditions.compile(source);
    } catch (error) {
      this.#logger.error(
        { endpoint: endpointId },
        `webhooks: its condition does not compile: ${messageOf(error)}`,
      );
      return NEVER;
    }
  }
}
