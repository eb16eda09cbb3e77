// The relay's store looked at from outside while the relay writes it.
import type Database from "better-sqlite3";
import type { Stack } from "./stack.ts";

export class StoreView implements Disposable {
  readonly #db: Database.Database;
  readonly #stack: Stack;
  readonly #acked: Database.Statement<[string], number>;
  readonly #records: Database.Statement<[string], number>;

  constructor(stack: Stack) {
    const db = stack.openStore();
    this.#stack = stack;
    this.#db = db;
    const ofConnection = "JOIN connections USING (connection_no) WHERE connections.id = ?";
    this.#acked = db.prepare<[string], number>(`SELECT acked_seq FROM streams ${ofConnection}`).pluck();
    this.#records = db
      .prepare<[string], number>(
        `SELECT count(*) FROM records WHERE list_no IN (SELECT list_no FROM lists ${ofConnection})`,
      )
      .pluck();
  }

  /** First syncs that have ended. */
  syncsEnded(): number {
    return Number(
      this.#db.prepare("SELECT count(*) FROM sync_runs WHERE ended_ms IS NOT NULL").pluck().get(),
    );
  }

  ackedSeq(connection: string): number {
    return this.#acked.get(this.#idOf(connection)) ?? 0;
  }

  records(connection: string): number {
    return this.#records.get(this.#idOf(connection)) ?? 0;
  }

  #idOf(connection: string): string {
    return this.#stack.connectionIds.get(connection) ?? "";
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}
