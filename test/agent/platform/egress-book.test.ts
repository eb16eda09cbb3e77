// What has left the plant: counts by day, connection, entity and fields, kept over restarts and not for ever.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { EgressEntry } from "#agent/core/egress.ts";
import { AgentDatabase } from "#agent/platform/agent-database.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-egress-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function entry(day: string, more: Partial<EgressEntry> = {}): EgressEntry {
  const fields = [{ field: "name", as: "pseudonymised" as const }, { field: "code" }];
  return { connection: "erp", entity: "vendor", day, fields, rows: 2, bytes: 100, rawBytes: 50, ...more };
}

test("counts of a day add up over restarts, each list of fields by itself, and go after their time", () => {
  const file = join(dir, "agent.db");
  {
    using database = AgentDatabase.open(file);
    database.countEgress([entry("2024-01-01")]);
    database.countEgress([entry("2026-05-04"), entry("2026-05-04", { entity: "asset" })]);
  }
  using database = AgentDatabase.open(file);
  database.countEgress([
    entry("2026-05-04", { rows: 3 }),
    entry("2026-05-04", { fields: [{ field: "code" }] }),
  ]);
  const all = database.egress.since("");
  expect(all.map(({ day }) => day)).not.toContain("2024-01-01");
  const vendors = all.filter(({ entity }) => entity === "vendor");
  expect(vendors).toEqual([
    entry("2026-05-04", { rows: 5, bytes: 200, rawBytes: 100 }),
    entry("2026-05-04", { fields: [{ field: "code" }] }),
  ]);
  expect(database.egress.since("2026-05-05")).toEqual([]);
});
