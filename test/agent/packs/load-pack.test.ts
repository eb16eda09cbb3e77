// Packs as files: problems carry file, line and column; codes stay as they are written.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { bundledPacks, loadPack, readPack } from "#agent/packs/load-pack.ts";
import { NO_INSTALLATION } from "#agent/core/mapping/pack-settings.ts";
import { unifiedFields } from "#agent/core/mapping/unified-fields.ts";
import { EXACT_KEY } from "#agent/core/source/key-rules.ts";
import { ENTITY_NAMES } from "#common/contract/model/entities.ts";

const directory = mkdtempSync(join(tmpdir(), "millrace-pack-"));
afterAll(() => rmSync(directory, { recursive: true }));

const VENDOR_PACK = `name: acme
system: Acme ERP
codes:
  vendor_status: { 0010: active, 20: inactive, NO: pending }
entities:
  vendor:
    table: VENDORS
    key: CODE
    changes: full_scan
    fields:
      code: CODE
      status: { column: STATE, map: vendor_status }
`;

describe("problems", () => {
  const issues = (text: string) => {
    const result = readPack(text, "acme.yaml");
    return result.ok ? [] : result.issues;
  };

  test("name file, line and column of the key or value that is wrong", () => {
    const text = VENDOR_PACK.replace("      code: CODE", "      cod: CODE").replace("pending", "pendin");
    expect(issues(text)).toEqual([
      {
        path: "entities.vendor.fields.cod",
        message: expect.stringContaining('did you mean "code"') as string,
        file: "acme.yaml",
        line: 11,
        column: 7,
      },
      {
        path: "codes.vendor_status.NO",
        message: expect.stringContaining('did you mean "pending"') as string,
        file: "acme.yaml",
        line: 4,
        column: 52,
      },
    ]);
  });

  test("a missing part is reported where it should stand", () => {
    const [issue, ...others] = issues(VENDOR_PACK.replace("    key: CODE\n", ""));
    expect(others).toEqual([]);
    expect(issue).toMatchObject({ path: "entities.vendor.key", file: "acme.yaml", line: 7 });
  });

  test("broken YAML is an issue with its place, and so are keys that stand twice", () => {
    expect(issues("name: [acme\nsystem: x: y")[0]).toMatchObject({ file: "acme.yaml", line: 2 });
    expect(issues(`${VENDOR_PACK}name: again\n`)[0]).toMatchObject({ line: 13 });
  });

  test.each(["", "[]", "just text", "- a", "a: &x [*x]", "\u0000"])(
    "%j is refused, not crashed on",
    (text) => {
      expect(issues(text).length).toBeGreaterThan(0);
    },
  );
});

test("what the connection does not say is no mistake of the pack's file", () => {
  const result = loadPack("sap-ecc", { connector: "oracle", settings: { language: "D" } });
  expect(result.ok ? [] : result.issues).toEqual([
    { path: "pack_settings.client", message: expect.stringContaining("the SAP client") as string },
  ]);
});

test("codes are what the author wrote, not the numbers that YAML sees", () => {
  const result = readPack(VENDOR_PACK, "acme.yaml");
  if (!result.ok) throw new Error(JSON.stringify(result.issues));
  const map = result.pack.entities[0]?.mapper({
    connectionId: "6f1c1c1e-0b0a-4f6e-9d63-0d1c4a5b6c7d",
    timeZone: "UTC",
    raw: false,
    hidden: [],
    keyRules: () => [EXACT_KEY],
  });
  const status = (state: string | number): unknown => {
    const mapped = map?.({ op: "upsert", key: ["V"], columns: { CODE: "V", STATE: state } });
    return mapped?.ok === true ? (JSON.parse(mapped.record) as { status: unknown }).status : mapped;
  };
  expect(["0010", "10", 20, "NO"].map(status)).toEqual(["active", "unknown", "inactive", "pending"]);
});

test("the documentation names every entity with its lists", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/packs.md"), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("| `"));
  for (const entity of ENTITY_NAMES) {
    const lists = [...unifiedFields(entity).byName].filter(([, { kind }]) => kind === "list");
    const own = lists.filter(([name]) => !["native_statuses", "assigned_users"].includes(name));
    const row = rows.find((line) => line.split("|")[1]?.includes(`\`${entity}\``) === true) ?? "";
    expect([entity, row]).toEqual([entity, expect.stringContaining(`\`${entity}\``)]);
    for (const [name] of own) expect([entity, row]).toEqual([entity, expect.stringContaining(`\`${name}\``)]);
  }
});

test("the packs in the documentation are packs", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/packs.md"), "utf8");
  const blocks = [...page.matchAll(/```yaml\n(name:.*?)```/gs)].map(([, text = ""]) => text);
  expect(blocks).toHaveLength(1);
  for (const text of blocks) expect(readPack(text, "packs.md")).toMatchObject({ ok: true });
});

describe("where packs come from", () => {
  test("every bundled pack compiles under its own name", () => {
    for (const name of bundledPacks()) {
      const result = loadPack(name);
      expect(result.ok ? result.pack.name : result.issues).toBe(name);
    }
  });

  test("a file, relative to a directory", () => {
    writeFileSync(join(directory, "acme.yaml"), VENDOR_PACK);
    expect(loadPack("./acme.yaml", NO_INSTALLATION, directory)).toMatchObject({
      ok: true,
      pack: { name: "acme" },
    });
    expect(loadPack("acme.yaml", NO_INSTALLATION, directory)).toMatchObject({ ok: true });
  });

  test("what cannot be read says so", () => {
    const message = (pack: string): string => {
      const result = loadPack(pack, NO_INSTALLATION, directory);
      return result.ok ? "" : (result.issues[0]?.message ?? "");
    };
    expect(message("./none.yaml")).toMatch(/cannot be read: ENOENT/);
    expect(message("demo-cms")).toMatch(/did you mean "demo-cmms"/);
    writeFileSync(join(directory, "huge.yaml"), "#".repeat(1024 * 1024 + 1));
    expect(message("huge.yaml")).toMatch(/at most 1048576/);
  });
});
