// What a plant's file allows, held against the pack: a mistyped name allows nothing, and nobody would notice.
import type { Issue } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import type { CompiledPack } from "../mapping/mapping.ts";
import type { PlantPolicy } from "./plant-policy.ts";

/** `isWritable`: the connector may write at all. Paths are relative to `allow`. */
export function allowIssues(pack: CompiledPack, policy: PlantPolicy, isWritable: boolean): readonly Issue[] {
  const entities = pack.entities.map(({ plan }) => plan.entity);
  const issues: Issue[] = [];
  for (const [name, rules] of Object.entries(policy.writes)) {
    const entity = pack.entities.find(({ plan }) => plan.entity === name);
    const report = (operation: string | undefined, message: string): void => {
      const path = operation === undefined ? `writes.${name}` : `writes.${name}.${operation}`;
      issues.push({ path, message });
    };
    if (entity === undefined) {
      const hint = didYouMean(name, entities) || `; it maps ${entities.join(", ")}`;
      report(undefined, `the pack ${pack.name} does not map ${name}${hint}`);
      continue;
    }
    const known = (entity.writes ?? []).map(({ operation }) => operation);
    for (const [operation, { mode }] of Object.entries(rules)) {
      if (!known.includes(operation)) report(operation, unknownOperation(pack, name, operation, known));
      else if (!isWritable && mode !== "refuse")
        report(
          operation,
          "has no effect: the connector itself may not write (settings: write: { allow: true })",
        );
    }
  }
  return issues;
}

function unknownOperation(
  { name: pack, readOnly }: CompiledPack,
  entity: string,
  operation: string,
  known: readonly string[],
): string {
  if (known.length === 0) {
    const why = readOnly === undefined ? "" : `: ${readOnly}`;
    return `the pack ${pack} writes nothing of ${entity}${why}`;
  }
  const hint = didYouMean(operation, known) || `; there: ${known.join(", ")}`;
  return `the pack ${pack} has no ${entity}.${operation}${hint}`;
}
