// Every implementation of the relay's store passes the same suite.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe } from "vitest";
import type { Store } from "#relay/core/store.ts";
import { MemoryStore } from "#relay/store/memory/memory-store.ts";
import { openSqliteStore } from "#relay/store/sqlite/open-store.ts";
import { directorySuite } from "./directory-suite.ts";
import { feedSuite } from "./feed-suite.ts";
import { seed, type StoreHarness } from "./harness.ts";
import { operationsSuite } from "./operations-suite.ts";
import { pagingSuite } from "./paging-suite.ts";
import { protectionSuite } from "./protection-suite.ts";
import { readsSuite } from "./reads-suite.ts";
import { settingsSuite } from "./settings-suite.ts";
import { recordsSuite } from "./records-suite.ts";
import { webhookLogSuite } from "./webhook-log-suite.ts";
import { webhooksSuite } from "./webhooks-suite.ts";
import { usersSuite } from "./users-suite.ts";

function sqliteHarness(): StoreHarness {
  const paths = new Map<Store, string>();
  const directories: string[] = [];
  const openAt = async (path: string): Promise<Store> => {
    const store = await openSqliteStore({ path });
    paths.set(store, path);
    return store;
  };
  return {
    async open() {
      const directory = await mkdtemp(join(tmpdir(), "millrace-store-"));
      directories.push(directory);
      return openAt(join(directory, "relay.db"));
    },
    async reopen(store) {
      await store[Symbol.asyncDispose]();
      return openAt(paths.get(store) ?? "");
    },
    async dispose() {
      for (const store of paths.keys()) await store[Symbol.asyncDispose]();
      paths.clear();
      for (const directory of directories.splice(0)) await rm(directory, { recursive: true });
    },
  };
}

function memoryHarness(): StoreHarness {
  let generations = 0;
  const newGeneration = (): string => `generation-${(generations += 1)}`;
  return {
    open: async () => new MemoryStore({ newGeneration }),
    async reopen(store) {
      await store[Symbol.asyncDispose]();
      return new MemoryStore({ newGeneration, snapshot: (store as MemoryStore).snapshot() });
    },
    async dispose() {},
  };
}

describe.each([
  ["sqlite", sqliteHarness],
  ["memory", memoryHarness],
])("relay store: %s", (_name, harnessOf) => {
  const harness = harnessOf();
  const open = async (): Promise<Store> => {
    const store = await harness.open();
    await seed(store);
    return store;
  };
  afterEach(() => harness.dispose());
  recordsSuite(open);
  readsSuite(open);
  feedSuite(open);
  directorySuite(open, (store) => harness.reopen(store));
  pagingSuite(open);
  settingsSuite(open);
  usersSuite(open);
  operationsSuite(open, (store) => harness.reopen(store));
  protectionSuite(open, (store) => harness.reopen(store));
  webhooksSuite(open, (store) => harness.reopen(store));
  webhookLogSuite(open);
});
