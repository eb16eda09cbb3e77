// `millrace-relay serve`: runs the relay until it is told to stop.
import { fingerprintOf } from "#common/contract/identity-key.ts";
import { startRelay, type Relay } from "../compose.ts";
import type { RelayConfig } from "../config.ts";
import { createLogger } from "../logging.ts";

export interface ServeHost {
  readonly stdout: { write(text: string): unknown };
  once(event: "SIGINT" | "SIGTERM" | "disconnect", listener: () => void): unknown;
  off(event: "SIGINT" | "SIGTERM" | "disconnect", listener: () => void): unknown;
  exit(code: number): never;
}

/** Resolves when the relay has stopped. A second signal ends the process at once. */
export async function serve(config: RelayConfig, host: ServeHost, isJson: boolean): Promise<void> {
  const logger = createLogger(config.logLevel);
  // Listened for from the start: a signal that comes while the relay starts stops it as soon as it has.
  using stop = listenForStop(host);
  const relay = await startRelay({ config, logger });
  host.stdout.write(isJson ? `${JSON.stringify(started(relay, config))}\n` : greeting(relay, config));
  logger.info({ url: relay.url, dataDir: config.dataDir }, "relay serves");
  await stop.wanted;
  logger.info({}, "relay stops");
  const impatient = (): void => host.exit(1);
  host.once("SIGINT", impatient);
  host.once("SIGTERM", impatient);
  await relay[Symbol.asyncDispose]();
  host.off("SIGINT", impatient);
  host.off("SIGTERM", impatient);
  logger.info({}, "relay has stopped");
}

function started(relay: Relay, config: RelayConfig): Record<string, unknown> {
  return {
    url: relay.url,
    public_url: config.publicUrl ?? relay.url,
    port: relay.port,
    pid: process.pid,
    data_dir: config.dataDir,
    relay_key: relay.identity.publicKey,
    relay_fingerprint: fingerprintOf(relay.identity.publicKey),
  };
}

function greeting(relay: Relay, config: RelayConfig): string {
  return [
    `Millrace relay serves ${relay.url}`,
    `  data      ${config.dataDir}`,
    `  API       ${config.publicUrl ?? relay.url}/v1/openapi.json`,
    `  key       ${fingerprintOf(relay.identity.publicKey)}`,
    "",
  ].join("\n");
}

/** A parent that started the relay with an IPC channel stops it by disconnecting (Windows has no SIGTERM). */
function listenForStop(host: ServeHost): Disposable & { readonly wanted: Promise<void> } {
  const events = ["SIGINT", "SIGTERM", "disconnect"] as const;
  const { promise: wanted, resolve } = Promise.withResolvers<void>();
  const stop = (): void => {
    for (const event of events) host.off(event, stop);
    resolve();
  };
  for (const event of events) host.once(event, stop);
  return { wanted, [Symbol.dispose]: stop };
}
