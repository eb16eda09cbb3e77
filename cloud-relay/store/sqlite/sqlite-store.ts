// The relay's store on SQLite: one writer connection behind a queue, one read-only connection for everything else.
import { randomBytes } from "node:crypto";
import type Database from "better-sqlite3";
import { MillraceError } from "#common/runtime/errors.ts";
import type { Directory } from "../../core/directory.ts";
import { StoreCorruptError, type IngestTx, type Reader, type Store } from "../../core/store.ts";
import { sqliteDirectory } from "./directory.ts";
import { directoryIo } from "./directory-io.ts";
import type { AuditStore } from "../../core/audit/audit-store.ts";
import type { LinkStore } from "../../core/links/link-store.ts";
import type { OperationStore } from "../../core/operations/operation-store.ts";
import type { RequestStore } from "../../core/requests/request-store.ts";
import type { SettingsStore } from "../../core/settings/settings-store.ts";
import type { UserStore } from "../../core/users/user-store.ts";
import type { WebhookStore } from "../../core/webhooks/webhook-store.ts";
import { sqliteAudit } from "./audit-store.ts";
import { IngestStatements, runIngest } from "./ingest-tx.ts";
import { sqliteLinks } from "./link-store.ts";
import { Names } from "./names.ts";
import { sqliteOperations } from "./operation-store.ts";
import { RecordReader } from "./record-reader.ts";
import { sqliteReader } from "./reader.ts";
import { sqliteRequests } from "./request-store.ts";
import { Retention, type PruneBefore } from "./retention.ts";
import { sqliteSettings } from "./settings-store.ts";
import { storeError } from "./store-errors.ts";
import { sqliteUsers } from "./user-store.ts";
import { WebhookQueue } from "./webhook-queue.ts";
import { sqliteWebhooks } from "./webhook-store.ts";
import { WriteQueue } from "./write-queue.ts";

export interface SqliteStoreDeps {
  readonly writer: Database.Database;
  readonly reader: Database.Database;
  readonly path: string;
  readonly checkpointer?: AsyncDisposable;
  /** False: earlier versions of records are not kept. */
  readonly keepsVersions?: boolean;
}

/** Made by `openSqliteStore`, which sets durability and schema. */
export class SqliteStore implements Store {
  readonly directory: Directory;
  readonly reader: Reader;
  readonly operations: OperationStore;
  readonly settings: SettingsStore;
  readonly links: LinkStore;
  readonly requests: RequestStore;
  readonly audit: AuditStore;
  readonly users: UserStore;
  readonly webhooks: WebhookStore;
  readonly #deps: SqliteStoreDeps;
  readonly #queue: WriteQueue;
  readonly #statements: IngestStatements;
  readonly #retention: Retention;
  readonly #findGeneration: Database.Statement<[], string>;
  #damage: StoreCorruptError | undefined;
  /** Nobody but this process renews it while it serves. */
  #generation: string | undefined;
  #closing: Promise<void> | undefined;

  constructor(deps: SqliteStoreDeps) {
    const { writer, reader, path } = deps;
    this.#deps = deps;
    this.#statements = new IngestStatements(writer, deps.keepsVersions ?? true);
    const translate = (error: unknown): unknown => this.#translate(error);
    const webhooksDue = new WebhookQueue(writer);
    const onRollback = (): void => {
      this.#statements.forget();
      webhooksDue.forget();
    };
    const names = new Names(reader);
    const records = new RecordReader(reader, names);
    const onCommit = (): void => records.committed();
    this.#queue = new WriteQueue({ db: writer, path, translate, onRollback, onCommit });
    this.#retention = new Retention(writer);
    this.#findGeneration = reader
      .prepare<[], string>("SELECT value FROM meta WHERE name = 'generation'")
      .pluck();
    const onDeleted = (): void => records.forget();
    const io = directoryIo({ writer, reader, queue: this.#queue });
    this.directory = translated(sqliteDirectory(io, onDeleted), translate);
    this.settings = translated(sqliteSettings(io), translate);
    this.links = translated(sqliteLinks(io), translate);
    this.users = translated(sqliteUsers(io), translate);
    this.requests = translated(sqliteRequests(io), translate);
    this.audit = translated(sqliteAudit({ writer, reader, queue: this.#queue }), translate);
    this.reader = translated(sqliteReader(reader, records, names), translate);
    const ingest = <T>(work: (tx: IngestTx) => Promise<T>): Promise<T> => this.ingest(work);
    this.operations = translated(sqliteOperations({ writer, reader, ingest }), translate);
    const { surrogates } = this.#statements;
    const webhooks = { writer, reader, ingest, surrogates, queue: webhooksDue, names };
    this.webhooks = translated(sqliteWebhooks(webhooks), translate);
  }

  ingest<T>(work: (tx: IngestTx) => Promise<T>): Promise<T> {
    const pause = (): Promise<boolean> => this.#queue.pause();
    return this.#queue.run(() => runIngest(this.#deps.writer, this.#statements, pause, work));
  }

  async generation(): Promise<string> {
    this.#generation ??= this.#savedGeneration() ?? (await this.#setGeneration("INSERT OR IGNORE"));
    return this.#generation;
  }

  async renewGeneration(): Promise<string> {
    this.#generation = await this.#setGeneration("INSERT OR REPLACE");
    return this.#generation;
  }

  prune(before: PruneBefore): Promise<boolean> {
    return this.#queue.run(() => this.#retention.step(before));
  }

  async check(): Promise<void> {
    const { reader, writer, path } = this.#deps;
    if (!writer.open || this.#closing !== undefined) throw closed(path);
    if (this.#damage !== undefined) throw this.#damage;
    try {
      reader.prepare("SELECT last_revision FROM hybrid_clock").get();
      reader.prepare("SELECT 1 FROM records ORDER BY record_no DESC LIMIT 1").get();
      reader.prepare("SELECT 1 FROM events ORDER BY position DESC LIMIT 1").get();
    } catch (error) {
      throw this.#translate(error);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#queue.close();
    await this.#deps.checkpointer?.[Symbol.asyncDispose]();
    this.#deps.reader.close();
    this.#deps.writer.close();
  }

  #savedGeneration(): string | undefined {
    try {
      return this.#findGeneration.get();
    } catch (error) {
      throw this.#translate(error);
    }
  }

  /** A damaged file stays damaged: readiness tells of it from then on. */
  #translate(error: unknown): unknown {
    const { reader, path } = this.#deps;
    if (!reader.open && error instanceof TypeError) return closed(path);
    const known = storeError(error, path);
    if (known instanceof StoreCorruptError) this.#damage ??= known;
    return known;
  }

  #setGeneration(verb: "INSERT OR IGNORE" | "INSERT OR REPLACE"): Promise<string> {
    const { writer } = this.#deps;
    return this.#queue.run(() => {
      writer.prepare(`${verb} INTO meta VALUES ('generation', ?)`).run(randomBytes(8).toString("hex"));
      return (
        writer.prepare<[], string>("SELECT value FROM meta WHERE name = 'generation'").pluck().get() ?? ""
      );
    });
  }
}

function closed(path: string): MillraceError {
  return new MillraceError(`the relay's store ${path} is closed`);
}

/** Everything that a method rejects with is translated. */
function translated<Port extends object>(port: Port, translate: (error: unknown) => unknown): Port {
  const entries = Object.entries(port) as [string, (...args: unknown[]) => Promise<unknown>][];
  return Object.fromEntries(
    entries.map(([name, method]) => [
      name,
      (...args: unknown[]) =>
        method(...args).catch((error: unknown) => {
          throw translate(error);
        }),
    ]),
  ) as Port;
}
