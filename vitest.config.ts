// Test tiers by file suffix: *.test.ts needs npm packages only; other tiers are named in test/run.mjs.
import { defineConfig } from "vitest/config";

const shared = { testTimeout: 60_000, hookTimeout: 60_000, environment: "node" as const };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...shared,
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["**/node_modules/**", "test/{e2e,faults,simulation,conformance,contracts,packages}/**"],
        },
      },
      {
        test: {
          ...shared,
          name: "system",
          include: ["test/{e2e,faults,simulation,conformance,contracts,packages}/**/*.test.ts"],
          exclude: ["**/node_modules/**"],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          // Real processes on a machine that others use too: a second try is named at the end of the run (test/run.mjs).
          retry: 1,
        },
      },
    ],
  },
});
