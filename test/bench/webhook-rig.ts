// Webhooks as a relay composes them, in this process, with a store on disk and receivers in a process of their own.
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Registry } from "prom-client";
import { recordId } from "#common/contract/record-id.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { InProcessBus } from "#relay/bus/in-process-bus.ts";
import { CelConditions } from "#relay/conditions/cel-conditions.ts";
import { newConnectionRow } from "#relay/core/connections/new-connection.ts";
import { newId } from "#relay/core/identifiers.ts";
import { subjects } from "#relay/core/bus.ts";
import type { EndpointRow } from "#relay/core/webhooks/endpoint.ts";
import { placeOfSecret, type SecretBox } from "#relay/core/webhooks/sender.ts";
import { Webhooks } from "#relay/core/webhooks/webhooks.ts";
import type { Store } from "#relay/core/store.ts";
import { systemEntropy } from "#relay/entropy.ts";
import { webhookMetrics } from "#relay/http/webhook-metrics.ts";
import { openSqliteStore } from "#relay/store/sqlite/open-store.ts";
import { Addresses } from "#relay/webhooks/addresses.ts";
import { HttpSender } from "#relay/webhooks/http-sender.ts";
import { systemResolver } from "#relay/webhooks/resolver.ts";
import { openSecretBox } from "#relay/webhooks/secret-box.ts";
import { WebhookSigner } from "#relay/webhooks/signer.ts";
import type { Arrival, Ask, Ready } from "./webhook-receivers.ts";

export const WORKSPACE = "ws_bench";
export const SCOPE = { workspaceId: WORKSPACE };
const CONNECTION = "01900000-0000-7000-8000-000000000001";
const TITLE = "Inspect the seal of pump 4 and replace it where it leaks";

const { randomBytes } = systemEntropy;

export class Receivers implements AsyncDisposable {
  readonly ready: Ready;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, ready: Ready) {
    this.#child = child;
    this.ready = ready;
  }

  static async start(crowd: number): Promise<Receivers> {
    const script = fileURLToPath(new URL("webhook-receivers.ts", import.meta.url));
    const child = fork(script, [String(crowd)], { serialization: "advanced" });
    const [ready] = (await once(child, "message")) as [Ready];
    return new Receivers(child, ready);
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.ready.port}${path}`;
  }

  /** Since it was asked last. */
  arrivals(): Promise<readonly Arrival[]> {
    return this.#ask("arrivals");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.disconnect();
    await ended;
  }

  async #ask<Answer>(ask: Ask): Promise<Answer> {
    this.#child.send(ask);
    const [answer] = (await once(this.#child, "message")) as [Answer];
    return answer;
  }
}

export class WebhookRig implements AsyncDisposable {
  readonly store: Store;
  readonly sender: HttpSender;
  readonly signer = new WebhookSigner();
  readonly #dir: string;
  readonly #box: SecretBox;
  readonly #bus: InProcessBus;
  readonly #stopping = new AbortController();
  readonly #webhooks: Webhooks;
  #running: Promise<void> | undefined;
  #record = 0;

  private constructor(dir: string, store: Store, box: SecretBox) {
    this.#dir = dir;
    this.store = store;
    this.#box = box;
    this.#bus = new InProcessBus({ clock: systemClock, onHandlerError: () => {} });
    this.sender = new HttpSender({
      addresses: new Addresses({ allowHttp: true, allowNetworks: ["127.0.0.0/8"] }),
      resolve: systemResolver(),
      clock: systemClock,
      ownOrigins: () => [],
    });
    this.#webhooks = new Webhooks({
      store,
      bus: this.#bus,
      clock: systemClock,
      logger: silentLogger,
      randomBytes,
      senders: { http: this.sender },
      signer: this.signer,
      box,
      conditions: new CelConditions(() => {}),
      meter: webhookMetrics(new Registry()),
      userAgent: "Millrace-Webhooks/bench",
      exampleRecord: () => "{}",
    });
  }

  static async create(): Promise<WebhookRig> {
    const dir = mkdtempSync(join(tmpdir(), "millrace-bench-webhooks-"));
    const store = await openSqliteStore({ path: join(dir, "relay.db"), checkpointThread: true });
    const createdAtMs = Date.now();
    await store.directory.createWorkspace({ id: WORKSPACE, name: "bench", createdAtMs });
    const row = { id: CONNECTION, workspaceId: WORKSPACE, name: "plant", createdAtMs };
    await store.directory.createConnection(newConnectionRow(row));
    return new WebhookRig(dir, store, await openSecretBox(dir));
  }

  /** Publishes and delivers from now on. */
  run(): void {
    this.#running ??= this.#webhooks.run(this.#stopping.signal);
  }

  async endpoint(url: string, changes: Partial<EndpointRow> = {}): Promise<string> {
    const nowMs = Date.now();
    const id = newId("whe", nowMs, randomBytes);
    const { secret } = this.signer.newSecret("v1");
    const sealed = this.#box.seal(secret, placeOfSecret(id, { id: "whs_1" }));
    await this.store.webhooks.createEndpoint({
      id,
      workspaceId: WORKSPACE,
      connectionId: undefined,
      name: url,
      transport: "http",
      url,
      types: ["*"],
      origins: ["change"],
      echoes: true,
      condition: undefined,
      payload: "full",
      payloadVersion: 1,
      ordering: "none",
      perSecond: undefined,
      atOnce: 4,
      headers: [],
      secrets: [{ id: "whs_1", kind: "v1", sealed, createdAtMs: nowMs, expiresAtMs: undefined }],
      disabled: undefined,
      fromPosition: 0,
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
      ...changes,
    });
    return id;
  }

  /** As ingest does it: records and their events in one commit, then the hint. Resolves with the ids when it is durable. */
  async emit(count: number): Promise<readonly string[]> {
    const ids = await this.store.ingest(async (tx) => {
      const nowMs = Date.now();
      const first = await tx.revisions(count, nowMs);
      const of = Array.from({ length: count }, (_, n) => {
        const key = `WO-${(this.#record += 1)}`;
        return { key, id: recordId(CONNECTION, "work_order", key), revision: first + n };
      });
      await tx.putRecords(
        of.map(({ key, id, revision }) => ({
          id,
          connectionId: CONNECTION,
          entity: "work_order",
          key,
          text: JSON.stringify({ number: key, title: TITLE, status: "in_progress", priority: 3 }),
          raw: undefined,
          hash: "AAAAAAAAAAAAAAAAAAAAAA",
          version: undefined,
          revision,
          createdAtMs: nowMs,
          updatedAtMs: nowMs,
          deletedAtMs: undefined,
          presence: "present",
          deleteReason: undefined,
          incarnation: 1,
          origin: "change",
          mappingVersion: "00000000000000aa",
          epochNo: 1,
        })),
      );
      const events = of.map(({ key, id, revision }) => ({
        position: revision,
        id: `evt_r_${revision}`,
        type: "work_order.created",
        workspaceId: WORKSPACE,
        connectionId: CONNECTION,
        entity: "work_order",
        recordId: id,
        origin: "change" as const,
        atMs: nowMs,
        data: JSON.stringify({ remote_id: key }),
      }));
      await tx.appendEvents(events);
      return events.map(({ id }) => id);
    });
    this.#bus.publish(subjects.feed(WORKSPACE), 1);
    return ids;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.sender[Symbol.asyncDispose]();
    await this.#bus[Symbol.asyncDispose]();
    await this.store[Symbol.asyncDispose]();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
