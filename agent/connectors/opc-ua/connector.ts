// The connector as the runner knows it. The driver behind it is loaded when the connection opens, not before.
import type {
  BrowseEntry,
  Connector,
  ConnectorContext,
  ReadRequest,
  SourceBatch,
  StrategyReport,
} from "#agent/core/source/connector.ts";
import type { WriteOutcome, WriteRequest } from "#agent/core/source/write.ts";
import { EXACT_KEY, type KeyRule } from "#agent/core/source/key-rules.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import type { OpcUaSource } from "./change-reader.ts";
import type { OpcUaSettings } from "./settings.ts";
import type { WriteReport } from "./writer.ts";

const NO_WRITES: WriteReport = { allowed: "nothing is written", warning: undefined };

export class OpcUaConnector implements Connector {
  readonly #settings: OpcUaSettings;
  readonly #context: ConnectorContext;
  #source: OpcUaSource | undefined;

  constructor(settings: OpcUaSettings, context: ConnectorContext) {
    this.#settings = settings;
    this.#context = context;
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.#source?.close();
    this.#source = undefined;
    const { OpcUaSource: Source } = await import("./change-reader.ts");
    this.#source = await Source.open(this.#settings, this.#context, signal);
  }

  strategies(): readonly StrategyReport[] {
    const { allowed, warning } = this.#source?.writes ?? NO_WRITES;
    return [
      {
        entity: "telemetry_point",
        strategy: "full_scan",
        reason: `an OPC UA server tells no changes of its nodes; the list is read again and compared; ${allowed}`,
        deletes: "keys",
        ...(warning === undefined ? {} : { warning }),
      },
      {
        entity: "telemetry_sample",
        strategy: "subscription",
        reason:
          "the server reports values as they change; outages are filled from its history where it keeps one",
        deletes: "none",
      },
    ];
  }

  keyRules(): readonly KeyRule[] {
    return [EXACT_KEY];
  }

  read(request: ReadRequest): AsyncIterable<SourceBatch> {
    return this.#opened().read(request);
  }

  browse(path: readonly string[], signal: AbortSignal): Promise<readonly BrowseEntry[]> {
    return this.#opened().browse(path, signal);
  }

  /** Needs no transaction: one node or one method at a time, sent at most once. */
  async write(request: WriteRequest): Promise<WriteOutcome> {
    return this.#opened().write(request);
  }

  identity(): string {
    return this.#opened().identity;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const source = this.#source;
    this.#source = undefined;
    await source?.close();
  }

  #opened(): OpcUaSource {
    if (this.#source === undefined) throw new ConnectorError("unavailable", "the connection is not open");
    return this.#source;
  }
}
