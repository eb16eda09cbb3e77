// What the relay may set of one connection, in its room: judged by file and pack, then tried at the source.
import type { CompiledPack, PackResult } from "#agent/core/mapping/mapping.ts";
import { UNPROTECTED, type FieldProtection } from "#agent/core/mapping/protection.ts";
import type { RoomConfig } from "#agent/core/room/messages.ts";
import { judgeSettings, type Judgement, type SettingsProblem } from "#agent/core/settings/judge.ts";
import { protectedColumns } from "#agent/core/settings/protected-columns.ts";
import { trySettings } from "#agent/core/settings/source-trial.ts";
import type { Connector, ConnectorDefinition } from "#agent/core/source/connector.ts";
import { loadPack } from "#agent/packs/load-pack.ts";
import type { ConnectionSettingsDocument } from "#common/contract/settings.ts";

/** Opening the source and reading some rows. */
const TRIAL_TIMEOUT_MS = 60_000;

export interface ConnectionJudgeDeps {
  readonly config: RoomConfig;
  readonly protection: FieldProtection | undefined;
  readonly definition: ConnectorDefinition<unknown>;
  /** As the plant's own file has it. */
  readonly pack: CompiledPack;
  /** A connector over a pack's plans, not opened. */
  readonly connect: (pack: CompiledPack) => Connector;
}

export class ConnectionJudge {
  readonly #deps: ConnectionJudgeDeps;

  constructor(deps: ConnectionJudgeDeps) {
    this.#deps = deps;
  }

  /** Without asking the source. */
  judge(document: unknown): Judgement {
    const { config, definition, pack } = this.#deps;
    return judgeSettings(document, {
      allowed: config.allow?.settings ?? [],
      pack,
      isTelemetry: definition.shape === "telemetry",
      protectedColumns: protectedColumns(pack, keptNames(config)),
      compile: (judged) => this.#compile(judged),
    });
  }

  /** Everything that is wrong with it; undefined: the source cannot be asked now. */
  async try(document: unknown, signal: AbortSignal): Promise<readonly SettingsProblem[] | undefined> {
    const judgement = this.judge(document);
    if (!judgement.ok) return judgement.problems;
    const { config, connect, protection } = this.#deps;
    return await trySettings({
      document: judgement.document,
      pack: judgement.pack,
      connect: () => connect(judgement.pack),
      context: { ...config, protection },
      signal: AbortSignal.any([signal, AbortSignal.timeout(TRIAL_TIMEOUT_MS)]),
    });
  }

  #compile(overlay: ConnectionSettingsDocument): PackResult {
    const { config, definition, pack } = this.#deps;
    if (config.pack === undefined) return { ok: true, pack };
    return loadPack(config.pack, {
      connector: definition.type,
      settings: config.packSettings ?? {},
      overlay,
    });
  }
}

/** Everything that does not leave the plant as it is. */
function keptNames({ hidden, protection = UNPROTECTED }: RoomConfig): readonly string[] {
  return [...hidden, ...protection.mask, ...protection.pseudonymise];
}
