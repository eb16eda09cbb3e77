// The relay's store in memory, for simulation: atomic, deterministic, and it can be copied, crashed and restored.
import { hash } from "node:crypto";
import { MillraceError } from "#common/runtime/errors.ts";
import type { AuditStore } from "../../core/audit/audit-store.ts";
import type { Directory } from "../../core/directory.ts";
import type { LinkStore } from "../../core/links/link-store.ts";
import type { OperationStore } from "../../core/operations/operation-store.ts";
import type { RequestStore } from "../../core/requests/request-store.ts";
import type { SettingsStore } from "../../core/settings/settings-store.ts";
import type { IngestTx, Reader, Store } from "../../core/store.ts";
import type { UserStore } from "../../core/users/user-store.ts";
import type { WebhookStore } from "../../core/webhooks/webhook-store.ts";
import { memoryDirectory } from "./memory-directory.ts";
import { memoryIngestTx } from "./memory-ingest.ts";
import { memoryLinks } from "./memory-links.ts";
import { memoryAudit, memoryRequests } from "./memory-protection.ts";
import { memoryOperations } from "./memory-operations.ts";
import { memorySettings } from "./memory-settings.ts";
import { memoryReader } from "./memory-reader.ts";
import { memoryUsers } from "./memory-users.ts";
import { memoryWebhooks } from "./memory-webhooks.ts";
import { pruneTables } from "./memory-retention.ts";
import {
  commitAll,
  memoryTables,
  rollbackAll,
  snapshotOf,
  type MemorySnapshot,
  type MemoryTables,
} from "./memory-tables.ts";

export interface MemoryStoreDeps {
  /** Makes generations; random text. */
  readonly newGeneration: () => string;
  /** What was durable before. */
  readonly snapshot?: MemorySnapshot;
}

export class MemoryStore implements Store {
  readonly directory: Directory;
  readonly reader: Reader;
  readonly operations: OperationStore;
  readonly settings: SettingsStore;
  readonly links: LinkStore;
  readonly requests: RequestStore;
  readonly audit: AuditStore;
  readonly users: UserStore;
  readonly webhooks: WebhookStore;
  readonly #deps: MemoryStoreDeps;
  readonly #tables: MemoryTables;
  #tail: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(deps: MemoryStoreDeps) {
    this.#deps = deps;
    this.#tables = memoryTables(deps.snapshot);
    const read = async <T>(work: () => T): Promise<T> => {
      this.#refuseClosed();
      return work();
    };
    const write = <T>(work: () => T): Promise<T> => this.#transaction(async () => work());
    this.directory = memoryDirectory(this.#tables, write, read);
    this.settings = memorySettings(this.#tables, write, read);
    this.links = memoryLinks(this.#tables, write, read);
    this.users = memoryUsers(this.#tables, write, read);
    this.requests = memoryRequests(this.#tables, write, read);
    this.audit = memoryAudit(this.#tables, (text) => hash("sha256", text), write, read);
    this.reader = memoryReader(this.#tables, read);
    const transaction = <T>(work: (tx: IngestTx) => Promise<T>): Promise<T> => this.ingest(work);
    this.operations = memoryOperations(this.#tables, transaction, read);
    this.webhooks = memoryWebhooks(this.#tables, transaction, read);
  }

  /** Everything that is committed now. Cheap: rows are shared. */
  snapshot(): MemorySnapshot {
    return snapshotOf(this.#tables);
  }

  /** Sudden death: what was not committed is lost, and this store refuses every later call. Open a new one on the result. */
  crash(): MemorySnapshot {
    this.#isClosed = true;
    return this.snapshot();
  }

  ingest<T>(work: (tx: IngestTx) => Promise<T>): Promise<T> {
    return this.#transaction(async () => {
      const guard = new TxGuard(memoryIngestTx(this.#tables), () => this.#refuseClosed());
      try {
        const value = await work(guard.tx);
        guard.check();
        return value;
      } finally {
        guard.end();
      }
    });
  }

  generation(): Promise<string> {
    return this.#transaction(async () => this.#tables.texts.get("generation") ?? this.#newGeneration());
  }

  renewGeneration(): Promise<string> {
    return this.#transaction(async () => this.#newGeneration());
  }

  prune(before: Parameters<Store["prune"]>[0]): Promise<boolean> {
    return this.#transaction(async () => pruneTables(this.#tables, before));
  }

  async check(): Promise<void> {
    this.#refuseClosed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const last = this.#tail;
    await last;
    this.#isClosed = true;
  }

  #newGeneration(): string {
    const generation = this.#deps.newGeneration();
    this.#tables.texts.set("generation", generation);
    return generation;
  }

  /** One at a time, in order. */
  #transaction<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(() => this.#commit(work));
    this.#tail = turn.catch(() => {});
    return turn;
  }

  async #commit<T>(work: () => Promise<T>): Promise<T> {
    this.#refuseClosed();
    try {
      const value = await work();
      this.#refuseClosed();
      commitAll(this.#tables);
      return value;
    } catch (error) {
      rollbackAll(this.#tables);
      throw error;
    }
  }

  #refuseClosed(): void {
    if (this.#isClosed) throw new MillraceError("the relay's store in memory is closed");
  }
}

/** A failed call fails the transaction even when its work catches it; a call after the end is refused. */
class TxGuard {
  readonly tx: IngestTx;
  readonly #refuseClosed: () => void;
  #failure: unknown;
  #isEnded = false;

  constructor(tx: IngestTx, refuseClosed: () => void) {
    this.#refuseClosed = refuseClosed;
    const calls = Object.entries(tx) as [string, (...args: unknown[]) => Promise<unknown>][];
    this.tx = Object.fromEntries(
      calls.map(([name, call]) => [name, (...args: unknown[]) => this.#call(call, args)]),
    ) as unknown as IngestTx;
  }

  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isEnded) throw new MillraceError("this transaction has ended; its work must await every call");
    this.#refuseClosed();
  }

  end(): void {
    this.#isEnded = true;
  }

  async #call(call: (...args: unknown[]) => Promise<unknown>, args: unknown[]): Promise<unknown> {
    try {
      this.check();
      return await call(...args);
    } catch (error) {
      this.#failure ??= error;
      throw error;
    }
  }
}
