// Puts one relay together: store, bus, HTTP, the agents' gateway, retention; and takes it apart again.
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Counter } from "prom-client";
import type { IdentityKey } from "#common/contract/identity-key.ts";
import { recordId } from "#common/contract/record-id.ts";
import { systemClock, type Clock } from "#common/runtime/clock.ts";
import { messageOf, MillraceError } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { InProcessBus } from "./bus/in-process-bus.ts";
import { makeDataDir, type RelayConfig } from "./config.ts";
import { subjects } from "./core/bus.ts";
import { batchCodec } from "#common/contract/batch.ts";
import { CommandDesk } from "./core/commands/command-desk.ts";
import { HeadExchange } from "./core/audit/head-exchange.ts";
import { OperationJournal } from "./core/operations/operation-journal.ts";
import { Operations } from "./core/operations/operations.ts";
import { CommandRouter } from "./core/sandbox/command-router.ts";
import { Sandboxes } from "./core/sandbox/sandboxes.ts";
import { SettingsDesk } from "./core/settings/settings-desk.ts";
import type { Scope, Store } from "./core/store.ts";
import { Webhooks, type WebhooksDeps } from "./core/webhooks/webhooks.ts";
import { RequestLog } from "./core/requests/request-log.ts";
import { Users } from "./core/users/users.ts";
import { systemEntropy } from "./entropy.ts";
import { Gateway } from "./gateway/gateway.ts";
import { CelConditions } from "./conditions/cel-conditions.ts";
import { meteredCommands } from "./http/command-metrics.ts";
import { RECORD_EXAMPLES } from "./http/examples.ts";
import { ListenerHub } from "./http/listener-hub.ts";
import { HttpMetrics } from "./http/metrics.ts";
import { buildHttpServer } from "./http/server.ts";
import type { HttpServer } from "./http/http-types.ts";
import { webhookMetrics } from "./http/webhook-metrics.ts";
import { openIdentity } from "./identity.ts";
import { ScryptPasswords } from "./passwords.ts";
import { runRetention } from "./retention-loop.ts";
import { lockForServing } from "./serve-lock.ts";
import { openSqliteStore } from "./store/sqlite/open-store.ts";
import { VERSION } from "./version.ts";
import { Addresses } from "./webhooks/addresses.ts";
import { egressProxy } from "./webhooks/egress-proxy.ts";
import { HttpSender } from "./webhooks/http-sender.ts";
import { systemResolver } from "./webhooks/resolver.ts";
import { openSecretBox } from "./webhooks/secret-box.ts";
import { WebhookSigner } from "./webhooks/signer.ts";

export const STORE_FILE = "relay.db";
/** What `npm run dashboard` builds; an installed package has it beside its scripts. */
const DASHBOARD_DIR = join(
  import.meta.dirname,
  import.meta.filename.endsWith(".ts") ? "dashboard/dist" : "dashboard",
);
/** Share of an entity's records that a new epoch may sweep without an operator. */
const MASS_DELETE_FRACTION = 0.5;

export interface RelayOptions {
  readonly config: RelayConfig;
  readonly logger: Logger;
  readonly clock?: Clock;
}

export interface Relay extends AsyncDisposable {
  /** As it listens, `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly port: number;
  readonly store: Store;
  readonly identity: IdentityKey;
  readonly webhooks: Webhooks;
}

/** Resolves when the relay serves. @throws MillraceError with what to do; nothing is left running then */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  const { config, logger, clock = systemClock } = options;
  await using stack = new AsyncDisposableStack();
  makeDataDir(config.dataDir);
  stack.use(lockForServing(config.dataDir));
  const identity = await openIdentity(config.dataDir);
  const store = stack.use(
    await openSqliteStore({
      path: join(config.dataDir, STORE_FILE),
      checkpointThread: true,
      keepsVersions: config.versionsKeptMs > 0,
    }),
  );
  const bus = stack.use(
    new InProcessBus({
      clock,
      onHandlerError: (error, subject) => logger.error({ err: error, subject }, "a subscriber failed"),
    }),
  );
  const requestLog = stack.use(new RequestLog({ store: store.requests, clock, logger }));
  const stopping = new AbortController();
  const metrics = new HttpMetrics();
  const journal = new OperationJournal({ store, bus, clock, recordId });
  const { randomBytes } = systemEntropy;
  const commands = new CommandDesk({ bus, clock, randomBytes, store, journal, logger });
  const nowMs = (): number => clock.nowMs();
  // What a sandbox does not confirm any more goes without a question: it was only made up.
  const ingest = { store, codec: batchCodec, nowMs, recordId, massDeleteFraction: 1 };
  const sandboxes = new Sandboxes({ ingest, entropy: systemEntropy, bus, clock, logger, journal });
  const router = new CommandRouter(commands, sandboxes.target);
  const operations = new Operations({
    store,
    journal,
    carrier: commands,
    commands: router,
    bus,
    clock,
    logger,
  });
  const users = new Users({
    store,
    entropy: systemEntropy,
    passwords: new ScryptPasswords(),
    nowMs,
    changed: (workspaceId) => bus.publish(subjects.directory(workspaceId), {}),
  });
  const origins: string[] = config.publicUrl === undefined ? [] : [config.publicUrl];
  const sender = stack.use(
    new HttpSender({
      addresses: new Addresses(config.webhooks),
      resolve: systemResolver(),
      clock,
      ownOrigins: () => origins,
      proxy: config.webhooks.proxy && egressProxy(config.webhooks.proxy),
    }),
  );
  const newTicket = (): string => Buffer.from(randomBytes(16)).toString("base64url");
  const listeners = stack.use(new ListenerHub({ clock, newTicket }));
  const senders = { http: sender, listener: listeners };
  const webhooks = await composeWebhooks(config, senders, { store, bus, clock, logger }, metrics);
  listeners.onLost((workspaceId, id) => void endListener(webhooks, { workspaceId }, id, logger));
  const app = await buildHttpServer({
    store,
    bus,
    commands: meteredCommands(router, metrics.registry, clock),
    operations,
    sandboxes,
    users,
    webhooks,
    listeners,
    dashboardDir: DASHBOARD_DIR,
    clock,
    entropy: systemEntropy,
    logger,
    metrics,
    limits: config.limits,
    requestLog,
    relayPublicKey: identity.publicKey,
    stopping: stopping.signal,
    ...(config.publicUrl === undefined ? {} : { publicUrl: config.publicUrl }),
    ...(config.tls === undefined ? {} : { tls: config.tls }),
  });
  stack.defer(() => app.close());
  const { registry } = metrics;
  const gateway = stack.use(
    await Gateway.attach({
      server: app.server,
      store,
      bus,
      identity,
      clock,
      logger,
      registry,
      randomBytes,
      massDeleteFraction: MASS_DELETE_FRACTION,
      watchers: [
        commands,
        new SettingsDesk({ store, bus, clock, logger }),
        new HeadExchange({ audit: store.audit, clock, logger }),
      ],
    }),
  );
  const port = await listen(app, config);
  origins.push(urlOf(config, port));
  const retention = runRetention({ store, users, clock, logger, ...config }, stopping.signal);
  const sweeping = operations.run(stopping.signal);
  const living = sandboxes.run(stopping.signal);
  const delivering = webhooks.run(stopping.signal);
  // Runs first when the relay stops: the rest follows in reverse order.
  stack.defer(async () => {
    stopping.abort();
    await Promise.all([retention, sweeping, living, delivering, gateway.drain(config.drainMs)]);
  });
  const owned = stack.move();
  return {
    url: urlOf(config, port),
    port,
    store,
    identity,
    webhooks,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function composeWebhooks(
  { dataDir }: RelayConfig,
  senders: WebhooksDeps["senders"],
  parts: Pick<WebhooksDeps, "store" | "bus" | "clock" | "logger">,
  { registry }: HttpMetrics,
): Promise<Webhooks> {
  const uncertain = new Counter({
    name: "millrace_webhook_conditions_failed_total",
    help: "Events on which an endpoint's condition could not be evaluated; they are not delivered to it",
    registers: [registry],
  });
  return new Webhooks({
    ...parts,
    randomBytes: systemEntropy.randomBytes,
    senders,
    signer: new WebhookSigner(),
    box: await openSecretBox(dataDir),
    conditions: new CelConditions(() => uncertain.inc()),
    meter: webhookMetrics(registry),
    userAgent: `Millrace-Webhooks/${VERSION}`,
    exampleRecord: (entity) => JSON.stringify(RECORD_EXAMPLES[entity]),
  });
}

/** Nobody has listened for long: its developer has gone home. */
async function endListener(webhooks: Webhooks, scope: Scope, id: string, logger: Logger): Promise<void> {
  const detail = "Nobody has listened for some minutes; millrace-relay listen makes a new one.";
  try {
    await webhooks.endpoints.disable(scope, id, { reason: "listener_ended", detail });
  } catch (error) {
    logger.warn(
      { endpoint: id },
      `webhooks: a listener's endpoint could not be disabled: ${messageOf(error)}`,
    );
  }
}

async function listen(app: HttpServer, config: RelayConfig): Promise<number> {
  try {
    await app.listen({ host: config.host, port: config.port });
  } catch (error) {
    throw new MillraceError(listenAdvice(error, config), { cause: error });
  }
  return (app.server.address() as AddressInfo).port;
}

function listenAdvice(error: unknown, { host, port }: RelayConfig): string {
  const tried = `listening on ${host}:${port} failed`;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EADDRINUSE")
    return `${tried}: another program uses the port. Stop it, or choose another by --port (0 for any free one)`;
  if (code === "EACCES") return `${tried}: this user may not use the port. Choose one above 1023 by --port`;
  if (code === "EADDRNOTAVAIL")
    return `${tried}: this machine does not have the address. Choose another by --host`;
  return `${tried}: ${messageOf(error)}`;
}

function urlOf({ host, tls }: RelayConfig, port: number): string {
  const shown =
    host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "[::1]" : host.includes(":") ? `[${host}]` : host;
  return `${tls === undefined ? "http" : "https"}://${shown}:${port}`;
}
