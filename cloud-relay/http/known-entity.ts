// Refuses the name of an entity that there is not, before an empty list or a silent nothing answers it.
import { ENTITY_NAMES } from "#common/contract/model/entities.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { invalidRequest } from "#relay/core/administration.ts";
import type { ConnectionRow } from "#relay/core/store.ts";

/**
 * Known are the model's entities and what the connections offer beside; a name that is near none of them passes while a
 * connection has not said yet what it offers. @throws Problem INVALID_REQUEST
 */
export function requireKnownEntity(connections: readonly ConnectionRow[], entity: string): void {
  const offered = connections.flatMap(({ description, report }) => [
    ...(description?.entities ?? []),
    ...(report?.entities ?? []),
  ]);
  const known = new Set<string>([...ENTITY_NAMES, ...offered.map((each) => each.entity)]);
  if (known.has(entity)) return;
  const hint = didYouMean(entity, known);
  if (hint === "" && connections.some(({ description }) => description === undefined)) return;
  const detail = `there is no entity ${entity.slice(0, 100)}${hint || `; known: ${[...known].join(", ")}`}`;
  throw invalidRequest("The request is not valid", [{ pointer: "#/query/entity", detail }]);
}
