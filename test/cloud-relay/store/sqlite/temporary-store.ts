// Store files in temporary directories that go away after each test.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import { openConnections, openSqliteStore, type OpenStoreOptions } from "#relay/store/sqlite/open-store.ts";
import { SqliteStore, type SqliteStoreDeps } from "#relay/store/sqlite/sqlite-store.ts";
import { seed } from "#test/conformance/relay-store/harness.ts";

const directories: string[] = [];
const stores: SqliteStore[] = [];

afterEach(async () => {
  for (const store of stores.splice(0)) await store[Symbol.asyncDispose]();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

export function temporaryPath(): string {
  const directory = mkdtempSync(join(tmpdir(), "millrace-store-"));
  directories.push(directory);
  return join(directory, "relay.db");
}

export async function openTemporary(options: OpenStoreOptions): Promise<SqliteStore> {
  const store = await openSqliteStore(options);
  stores.push(store);
  return store;
}

/** A seeded store and its writer's connection. */
export async function openWithHandles(
  path: string,
): Promise<{ readonly store: SqliteStore; readonly handles: SqliteStoreDeps }> {
  const handles = openConnections({ path });
  const store = new SqliteStore(handles);
  stores.push(store);
  await seed(store);
  return { store, handles };
}
