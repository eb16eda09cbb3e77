// Writes references: the id is derived from the target's key, so it is right before the target has been read.
import { recordId } from "#common/contract/record-id.ts";
import { canonicalKey, type KeyRule } from "../source/key-rules.ts";
import { BadValue } from "./bad-value.ts";
import type { FieldSpec } from "./field-spec.ts";
import { createGetter, sourceName, type Getter, type Writer } from "./field-writer.ts";
import { keyText, textOf } from "./source-text.ts";

/** References kept ready in one field; above that the cache starts anew. */
const MAX_CACHED = 20_000;
/** The model's limit for short texts, characters. */
const MAX_LENGTH = 4_000;

export interface ReferenceContext {
  readonly connectionId: string;
  /** Exact rules for entities that the pack does not map. */
  readonly keyRules: (entity: string) => readonly KeyRule[];
}

export function writeReference(spec: FieldSpec & { form: "reference" }, context: ReferenceContext): Writer {
  const key = spec.key.map((part): Getter => {
    if (!("constant" in part)) return createGetter(part);
    return () => part.constant;
  });
  const { display } = spec;
  const getDisplay = display === undefined ? undefined : createGetter(display);
  const displayName = display === undefined ? "" : sourceName(display);
  const rules = context.keyRules(spec.entity);
  const cache = new Map<string, string>();
  return (row, scope) => {
    const values: string[] = [];
    for (const get of key) {
      const value = get(row, scope);
      if (value === undefined) return undefined;
      const text = keyText(value);
      if (text === null || text.trim() === "" || spec.none.has(text)) return "null";
      values.push(text);
    }
    const cacheKey = values.length === 1 ? (values[0] ?? "") : JSON.stringify(values);
    let start = cache.get(cacheKey);
    if (start === undefined) {
      if (cache.size >= MAX_CACHED) cache.clear();
      start = referenceStart(spec.entity, values, rules, context.connectionId);
      cache.set(cacheKey, start);
    }
    const shown = getDisplay === undefined ? undefined : textOf(getDisplay(row, scope), displayName);
    if (shown === undefined) return `${start}}`;
    if (shown !== null && shown.length > MAX_LENGTH)
      throw new BadValue(
        "TEXT_TOO_LONG",
        `column ${displayName} holds ${shown.length} characters; most is ${MAX_LENGTH}`,
      );
    return `${start},"display":${JSON.stringify(shown)}}`;
  };
}

function referenceStart(
  entity: string,
  values: readonly string[],
  rules: readonly KeyRule[],
  connectionId: string,
): string {
  const id = recordId(connectionId, entity, canonicalKey(values, rules));
  const remoteId = remoteIdOf(values, rules);
  if (remoteId.length > MAX_LENGTH)
    throw new BadValue("KEY_TOO_LONG", `a reference to ${entity} has a key of ${remoteId.length} characters`);
  return `{"id":"${id}","remote_id":${JSON.stringify(remoteId)}`;
}

/** The key for people: values joined by `/`, without the padding that the source itself ignores. */
export function remoteIdOf(values: readonly (string | null)[], rules: readonly KeyRule[]): string {
  return values
    .map((value, at) => (rules[at]?.ignoreTrailingBlanks === true ? value?.trimEnd() : value) ?? "")
    .join("/");
}
