// Which events a token that sees some entities only is shown: those of its entities, and those that are of no entity.
import type { StoredEvent } from "#relay/core/store.ts";

/** Of types that no entity's name begins; the entity that such an event has, if any, is looked at. */
const OTHER_TYPES = [
  "sync.completed",
  "sync.failed",
  "gap.recorded",
  "command.finished",
  "mapping.changed",
  "connection.online",
  "connection.offline",
  "connection.authentication_required",
  "system.error",
] as const;
const CHANGES = ["created", "updated", "deleted"] as const;

export interface VisibleEvents {
  /** To be asked of the store, so that it passes over the changes of other entities; undefined: all. */
  readonly types: readonly string[] | undefined;
  sees(event: StoredEvent): boolean;
}

/** `entities`: the token's own; `types`: what the caller asks for. */
export function visibleEvents(
  entities: readonly string[] | undefined,
  types: readonly string[] | undefined,
): VisibleEvents {
  if (entities === undefined) return { types, sees: () => true };
  const changes = entities.flatMap((entity) => CHANGES.map((change) => `${entity}.${change}`));
  const visible = [...changes, ...OTHER_TYPES];
  return {
    types: types === undefined ? visible : types.filter((type) => visible.includes(type)),
    sees: ({ entity }) => entity === undefined || entities.includes(entity),
  };
}
