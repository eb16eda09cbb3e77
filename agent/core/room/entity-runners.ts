// The runners of a source that has just been opened: each entity with its strategy, schedule, window and fingerprint.
import { mappingFingerprint, type CompiledPack } from "../mapping/mapping.ts";
import type { StrategyReport } from "../source/connector.ts";
import { EntityRunner } from "./entity-runner.ts";
import type { EntityDeps } from "./entity-work.ts";
import { entityWindow, windowInEffect } from "./initial-window.ts";
import type { OpenSource } from "./open-source.ts";
import type { RoomRunnerSettings } from "./room-runner.ts";

export interface EntityRunnersInput {
  readonly source: OpenSource;
  readonly settings: RoomRunnerSettings;
  readonly pack: CompiledPack;
  readonly deps: EntityDeps;
}

/** In the pack's order. @throws StorageFullError */
export function entityRunners({ source, settings, pack, deps }: EntityRunnersInput): readonly EntityRunner[] {
  const strategies = new Map(source.connector.strategies().map((report) => [report.entity, report]));
  const window = windowInEffect(deps.store, settings.initialWindowDays, deps.nowMs());
  return [...source.entities].map(([name, { compiled: entity, target }]) => {
    const own = entityWindow(entity.plan, window);
    const schedule = {
      pollMs: settings.pollMs[name] ?? settings.pollMs["*"] ?? entity.pollMs,
      reconcileMs: settings.reconcileMs[name] ?? settings.reconcileMs["*"] ?? entity.reconcileMs,
      fullReconcileRows: settings.fullReconcileRows,
      massDeleteFraction: settings.massDeleteFraction,
      documentsFromMs: own?.fromMs,
    };
    const mapping = mappingFingerprint(entity, pack, settings);
    const fingerprint = own === undefined ? mapping : `${mapping}|${own.fingerprint}`;
    const strategy = strategyOf(name, strategies, own?.words);
    return new EntityRunner(deps, target, strategy, schedule, fingerprint);
  });
}

function strategyOf(
  entity: string,
  strategies: ReadonlyMap<string, StrategyReport>,
  words: string | undefined,
): StrategyReport {
  const unknown = { entity, strategy: "full_scan", reason: "", deletes: "keys" } as const;
  const report = strategies.get(entity) ?? unknown;
  return words === undefined ? report : { ...report, reason: `${words} ${report.reason}`.trimEnd() };
}
