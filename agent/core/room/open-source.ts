// A source that is open: its connector with what every entity's rows go through, for the runner and for commands.
import type { SourceLoad } from "../load/source-load.ts";
import type { CompiledEntity, CompiledPack, MapperContext } from "../mapping/mapping.ts";
import type { Connector } from "../source/connector.ts";
import type { PipelineEntity } from "./change-pipeline.ts";

export interface OpenEntity {
  readonly compiled: CompiledEntity;
  /** The stream's own mapper: nothing else may turn rows into records. */
  readonly target: PipelineEntity;
}

export interface OpenSourceDeps {
  readonly connector: Connector;
  readonly load: SourceLoad;
  readonly pack: CompiledPack;
  readonly context: Omit<MapperContext, "keyRules">;
  /** Ends with the session at the source. */
  readonly signal: AbortSignal;
}

export class OpenSource {
  readonly connector: Connector;
  readonly load: SourceLoad;
  readonly signal: AbortSignal;
  /** In the pack's order. */
  readonly entities: ReadonlyMap<string, OpenEntity>;
  readonly #uses = new Set<Promise<unknown>>();

  constructor({ connector, load, pack, context, signal }: OpenSourceDeps) {
    this.connector = connector;
    this.load = load;
    this.signal = signal;
    const known = new Set(pack.entities.map(({ plan }) => plan.entity));
    const keyRules = (entity: string): ReturnType<Connector["keyRules"]> =>
      known.has(entity) ? connector.keyRules(entity) : [];
    this.entities = new Map(
      pack.entities.map((compiled) => {
        const { entity } = compiled.plan;
        const target = {
          entity,
          keyRules: keyRules(entity),
          map: compiled.mapper({ ...context, keyRules }),
          ...(compiled.vanished === undefined ? {} : { vanished: compiled.vanished }),
        };
        return [entity, { compiled, target }];
      }),
    );
  }

  /** Work beside the runner's own; the connector is not closed before it has ended. */
  async use<T>(work: () => Promise<T>): Promise<T> {
    const running = work();
    this.#uses.add(running);
    try {
      return await running;
    } finally {
      this.#uses.delete(running);
    }
  }

  /** Resolves when nobody uses the connector; the signal has ended by then. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#uses);
  }
}
