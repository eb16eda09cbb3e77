// A relay as a real process that delivers webhooks to receivers on loopback; endpoints and events are put into its store from beside.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { recordId } from "#common/contract/record-id.ts";
import { createConnection, createToken, createWorkspace } from "#relay/core/administration.ts";
import { newId } from "#relay/core/identifiers.ts";
import { placeOfSecret, type SecretBox } from "#relay/core/webhooks/sender.ts";
import type { EndpointRow } from "#relay/core/webhooks/endpoint.ts";
import type { Store } from "#relay/core/store.ts";
import { STORE_FILE } from "#relay/compose.ts";
import { makeDataDir } from "#relay/config.ts";
import { systemEntropy } from "#relay/entropy.ts";
import { openSqliteStore } from "#relay/store/sqlite/open-store.ts";
import { openSecretBox } from "#relay/webhooks/secret-box.ts";
import { WebhookSigner } from "#relay/webhooks/signer.ts";
import { StackProcess } from "./process-stack.ts";

const { randomBytes } = systemEntropy;

export interface WebhookRelayParts {
  readonly dir: string;
  readonly dataDir: string;
  readonly store: Store;
  readonly box: SecretBox;
  readonly workspaceId: string;
  readonly connectionId: string;
  readonly token: string;
}

export class WebhookRelay implements AsyncDisposable {
  readonly workspaceId: string;
  readonly connectionId: string;
  readonly token: string;
  /** The running relay's store, opened beside it. */
  readonly store: Store;
  relay: StackProcess | undefined;
  readonly #parts: WebhookRelayParts;
  #port = 0;
  #record = 0;

  private constructor(parts: WebhookRelayParts) {
    this.#parts = parts;
    this.workspaceId = parts.workspaceId;
    this.connectionId = parts.connectionId;
    this.token = parts.token;
    this.store = parts.store;
  }

  /** A workspace with one connection; the relay does not run yet. */
  static async create(): Promise<WebhookRelay> {
    const dir = mkdtempSync(join(tmpdir(), "millrace-webhook-relay-"));
    const dataDir = join(dir, "relay");
    makeDataDir(dataDir);
    const store = await openSqliteStore({ path: join(dataDir, STORE_FILE) });
    const deps = { directory: store.directory, entropy: systemEntropy, nowMs: () => Date.now() };
    const { id: workspaceId } = await createWorkspace(deps, "webhooks");
    const { id: connectionId } = await createConnection(deps, { workspaceId, name: "plant" });
    const { token } = await createToken(deps, { kind: "workspace", workspaceId });
    const box = await openSecretBox(dataDir);
    const config = { webhooks: { allow_http: true, allow_networks: ["127.0.0.0/8"] }, drain: "0s" };
    writeFileSync(join(dir, "relay.yaml"), JSON.stringify(config));
    return new WebhookRelay({ dir, dataDir, store, box, workspaceId, connectionId, token });
  }

  get scope(): { readonly workspaceId: string } {
    return { workspaceId: this.workspaceId };
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<StackProcess> {
    const { dir, dataDir } = this.#parts;
    const where = ["--config", join(dir, "relay.yaml"), "--data-dir", dataDir, "--port", String(this.#port)];
    this.relay = new StackProcess(
      "cloud-relay/bin.mjs",
      ["serve", "--json", ...where],
      join(dir, "relay.log"),
    );
    const line = await this.relay.says('"port"', 60_000);
    this.#port = (JSON.parse(line) as { readonly port: number }).port;
    return this.relay;
  }

  /** A command line of the relay beside the running one, to its end; what it printed. @throws when it fails */
  async command(args: readonly string[]): Promise<string> {
    const { dir, dataDir } = this.#parts;
    const log = join(dir, "command.log");
    const process = new StackProcess("cloud-relay/bin.mjs", [...args, "--data-dir", dataDir], log);
    const code = await process.ended();
    const text = process.output.join("\n");
    if (code !== 0) throw new TypeError(`${args.join(" ")} ended with ${code}: ${text}`);
    return text;
  }

  /** Somebody who may sign in to the dashboard; resolves with the password. */
  async user(email: string, role: string): Promise<string> {
    const who = ["--workspace", this.workspaceId, "--email", email, "--role", role];
    const made = await this.command(["user", "create", ...who, "--json"]);
    return (JSON.parse(made) as { readonly password: string }).password;
  }

  /** Makes an endpoint; resolves with its id and the secret that it signs by. */
  async endpoint(
    url: string,
    changes: Partial<EndpointRow> = {},
  ): Promise<{ readonly id: string; readonly secret: string }> {
    const nowMs = Date.now();
    const id = newId("whe", nowMs, randomBytes);
    const { secret } = new WebhookSigner().newSecret("v1");
    const secretId = newId("whs", nowMs, randomBytes);
    const sealed = this.#parts.box.seal(secret, placeOfSecret(id, { id: secretId }));
    await this.store.webhooks.createEndpoint({
      id,
      workspaceId: this.workspaceId,
      connectionId: undefined,
      name: url,
      transport: "http",
      url,
      types: ["work_order.*"],
      origins: ["change"],
      echoes: true,
      condition: undefined,
      payload: "full",
      payloadVersion: 1,
      ordering: "none",
      perSecond: undefined,
      atOnce: 4,
      headers: [],
      secrets: [{ id: secretId, kind: "v1", sealed, createdAtMs: nowMs, expiresAtMs: undefined }],
      disabled: undefined,
      fromPosition: (await this.store.reader.feedBounds(this.workspaceId)).newest,
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
      ...changes,
    });
    return { id, secret };
  }

  /** Records that are new, with an event each, in one transaction; resolves with the events' ids. */
  emit(count: number): Promise<readonly string[]> {
    const { connectionId, workspaceId } = this;
    return this.store.ingest(async (tx) => {
      const nowMs = Date.now();
      const first = await tx.revisions(count, nowMs);
      const all = Array.from({ length: count }, (_, n) => {
        const key = `WO-${(this.#record += 1)}`;
        return { key, id: recordId(connectionId, "work_order", key), revision: first + n };
      });
      await tx.putRecords(
        all.map(({ key, id, revision }) => ({
          id,
          connectionId,
          entity: "work_order",
          key,
          text: JSON.stringify({ number: key, title: "Inspect the seal of pump 4", status: "open" }),
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
      const events = all.map(({ key, id, revision }) => ({
        position: revision,
        id: `evt_r_${revision}`,
        type: "work_order.created",
        workspaceId,
        connectionId,
        entity: "work_order",
        recordId: id,
        origin: "change" as const,
        atMs: nowMs,
        data: JSON.stringify({ remote_id: key }),
      }));
      await tx.appendEvents(events);
      return events.map(({ id }) => id);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.relay?.stop();
    await this.store[Symbol.asyncDispose]();
    rmSync(this.#parts.dir, { recursive: true, force: true });
  }
}
