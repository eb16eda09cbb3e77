// A server, a connector on it and a reader of its telemetry, for the tests of this folder.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import { opcUaDefinition } from "#agent/connectors/opc-ua/definition.ts";
import type { OpcUaSettings } from "#agent/connectors/opc-ua/settings.ts";
import type { Connector, Cursor, SourceGap, SourceRow, SourceSample } from "#agent/core/source/connector.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import {
  MACHINES_NAMESPACE,
  startOpcUaServer,
  type OpcUaServerOptions,
  type TestOpcUaServer,
} from "#test/support/opcua-server.ts";

export const USER = { name: "millrace", password: "secret" };
export const WAIT = { timeout: 30_000, interval: 20 };

export const nodeOf = (id: string, namespace = MACHINES_NAMESPACE): string => `nsu=${namespace};s=${id}`;

export interface Plant extends AsyncDisposable {
  readonly server: TestOpcUaServer;
  readonly dataDir: string;
  settings(more?: Readonly<Record<string, unknown>>): OpcUaSettings;
  connector(more?: Readonly<Record<string, unknown>>): Connector;
}

export async function startPlant(options: Partial<OpcUaServerOptions> = {}): Promise<Plant> {
  const dataDir = mkdtempSync(join(tmpdir(), "millrace-opcua-"));
  const server = await startOpcUaServer({
    pkiDir: join(dataDir, "server"),
    users: { [USER.name]: USER.password },
    ...options,
  });
  const settings = (more: Readonly<Record<string, unknown>> = {}): OpcUaSettings =>
    parsed({
      endpoint: server.endpointUrl,
      user: USER,
      server_fingerprint: server.certificate.fingerprint,
      publishing_ms: 50,
      sampling_ms: 50,
      keep_alive_ms: 1_000,
      ...more,
    });
  return {
    server,
    dataDir,
    settings,
    connector: (more) =>
      opcUaDefinition.create(settings(more), {
        connection: "plant-1",
        plans: [],
        timeZone: "UTC",
        clock: systemClock,
        logger: silentLogger,
        dataDir,
      }),
    async [Symbol.asyncDispose]() {
      await server.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

export function parsed(input: unknown): OpcUaSettings {
  const result = opcUaDefinition.parseConfig(input);
  if (!result.ok) throw new Error(JSON.stringify(result.issues, undefined, 2));
  return result.value;
}

export async function rowsOf(
  connector: Connector,
  pass: "snapshot" | "keys" = "snapshot",
): Promise<SourceRow[]> {
  const rows: SourceRow[] = [];
  const signal = AbortSignal.timeout(20_000);
  const request = { entity: "telemetry_point", pass, after: undefined, maxRows: 40, signal };
  for await (const batch of connector.read(request)) rows.push(...batch.rows);
  return rows;
}

/** Reads telemetry in the background until stopped. */
export class Subscriber {
  readonly samples: (SourceSample & { readonly backfilled: boolean })[] = [];
  readonly gaps: SourceGap[] = [];
  cursor: Cursor | undefined;
  batches = 0;
  largest = 0;
  error: unknown;
  readonly #abort = new AbortController();
  readonly #done: Promise<void>;

  constructor(connector: Connector, after?: Cursor, maxRows = 500) {
    this.#done = this.#run(connector, after, maxRows);
  }

  async #run(connector: Connector, after: Cursor | undefined, maxRows: number): Promise<void> {
    const { signal } = this.#abort;
    try {
      const request = { entity: "telemetry_sample", pass: "subscribe", after, maxRows, signal } as const;
      for await (const batch of connector.read(request)) {
        this.batches += 1;
        this.largest = Math.max(this.largest, batch.samples?.length ?? 0);
        for (const sample of batch.samples ?? []) {
          this.samples.push({ ...sample, backfilled: batch.backfilled ?? false });
        }
        this.gaps.push(...(batch.gaps ?? []));
        this.cursor = batch.cursor;
      }
    } catch (error) {
      this.error = error;
    }
  }

  of(id: string): readonly (SourceSample & { readonly backfilled: boolean })[] {
    const key = id.startsWith("nsu=") ? id : nodeOf(id);
    return this.samples.filter(({ point }) => point === key);
  }

  get points(): number {
    return new Set(this.samples.map(({ point }) => point)).size;
  }

  /** Waits until the point has shown this value. */
  async value(id: string, value: unknown): Promise<void> {
    const text = JSON.stringify(value);
    await vi.waitUntil(() => this.of(id).some((sample) => JSON.stringify(sample.value) === text), WAIT);
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#done;
  }

  /** Ends when the reading ends by itself. */
  ended(): Promise<void> {
    return this.#done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
