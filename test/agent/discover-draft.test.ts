// `discover --draft` on real files: a bundled pack where one fits, else a draft that the compiler takes and preview reads by.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ConnectionSettings } from "#agent/core/agent-config.ts";
import type { BrowseEntry, Connector } from "#agent/core/source/connector.ts";
import { draftPoints } from "#agent/discover-points.ts";
import { discoverSource } from "#agent/discover.ts";
import { loadPack } from "#agent/packs/load-pack.ts";
import { parseAgentConfig } from "#agent/platform/config.ts";
import { previewConnection } from "#agent/preview.ts";

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-draft-"));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

function source(statements: string): void {
  const db = new Database(join(dir, "erp.db"));
  db.exec(statements);
  db.close();
}

function connection(pack?: string): ConnectionSettings {
  const settings = { file: join(dir, "erp.db") };
  const text = JSON.stringify({
    data_dir: "data",
    connections: [
      {
        name: "Plant ERP".replace(" ", "-"),
        connector: "sqlite",
        settings,
        ...(pack === undefined ? {} : { pack }),
      },
    ],
  });
  const [found] = parseAgentConfig(text, join(dir, "agent.yaml"), {}).config.connections;
  if (found === undefined) throw new TypeError("no connection");
  return found;
}

function requestFor(one: ConnectionSettings) {
  const signal = new AbortController().signal;
  return {
    connection: one,
    asJson: false,
    dataDir: join(dir, "data"),
    configFile: join(dir, "agent.yaml"),
    signal,
  };
}

function discover(packOut?: string): Promise<string> {
  return discoverSource({ ...requestFor(connection()), path: [], draft: { packOut } });
}

describe("a source that no bundled pack knows", () => {
  beforeEach(() =>
    source(`
      CREATE TABLE tbl_PurchaseOrders (OrderNo TEXT PRIMARY KEY, SupplierId TEXT, Status TEXT, OrderDate DATE, TotalAmount DECIMAL(18,2));
      CREATE TABLE tbl_PurchaseOrderLines (OrderNo TEXT, LineNum INTEGER, ItemCode TEXT, Qty DECIMAL(18,3), PRIMARY KEY (OrderNo, LineNum));
      CREATE TABLE Suppliers (SupplierCode TEXT PRIMARY KEY, Name TEXT);
      CREATE TABLE Settings (k TEXT, v TEXT);
      INSERT INTO tbl_PurchaseOrders VALUES ('PO1', 'V1', 'NEW', '2026-05-01', '12.50');
      INSERT INTO tbl_PurchaseOrderLines VALUES ('PO1', 1, 'I1', '3.000');
      INSERT INTO Suppliers VALUES ('V1', 'Acme');
    `),
  );

  it("gets a draft that compiles, and by which preview reads its rows", async () => {
    const file = join(dir, "draft.yaml");
    const told = await discover(file);
    expect(told).toMatch(/No bundled pack fits\. A draft is in .*draft\.yaml:\n/);
    expect(told).toContain("purchase_order: tbl_PurchaseOrders");
    expect(told).toContain("millrace-agent preview Plant-ERP");
    expect(loadPack(file)).toMatchObject({ ok: true });
    const preview = { ...requestFor(connection(file)), limit: 1, asJson: true };
    const orders = JSON.parse(await previewConnection({ ...preview, entity: "purchase_order" })) as unknown;
    expect(orders).toMatchObject([
      {
        record: {
          number: "PO1",
          order_date: "2026-05-01",
          total: "12.5",
          native_status: "NEW",
          lines: [{ line_number: "1", quantity: "3" }],
        },
      },
    ]);
    const vendors = JSON.parse(await previewConnection({ ...preview, entity: "vendor" })) as unknown;
    expect(vendors).toMatchObject([{ record: { code: "V1" } }]);
  });

  it("shows the draft where no file is named, and replaces none", async () => {
    expect(await discover()).toMatch(/A draft of one:\n\n# A draft, made from the names[^]*entities:\n/);
    const file = join(dir, "draft.yaml");
    await discover(file);
    const before = readFileSync(file, "utf8");
    await expect(discover(file)).rejects.toThrow("is there already; name another file by --pack-out");
    expect(readFileSync(file, "utf8")).toBe(before);
  });
});

it("a source of a bundled pack's product is told which, and what is missing", async () => {
  const loaded = loadPack("demo-cmms");
  if (!loaded.ok) throw new TypeError("demo-cmms does not load");
  const columns = new Map<string, Set<string>>();
  for (const { plan } of loaded.pack.entities)
    for (const part of [plan, ...plan.children]) {
      const known = columns.get(part.table.name) ?? new Set<string>();
      const named = "named" in part ? (part.named ?? []) : [];
      for (const column of [...part.columns, ...named]) if (column !== "*") known.add(column);
      columns.set(part.table.name, known);
    }
  columns.get("PO")?.delete("STATUS");
  source(
    [...columns]
      .map(([table, names]) => `CREATE TABLE ${table} (${[...names, "OTHER"].join(", ")});`)
      .join("\n"),
  );
  const told = await discover(join(dir, "unused.yaml"));
  expect(told).toMatch(
    /^demo-cmms \(Demo CMMS\): (\d+) of \1 tables, 9\d % of its columns\n {2}missing: PO\.STATUS\n/m,
  );
  expect(told).toContain("Use it: pack: demo-cmms.");
});

it("a source with nothing that is known by name is told to write a pack by hand", async () => {
  source("CREATE TABLE XYZ01 (A, B)");
  expect(await discover()).toContain("write the pack by hand");
});

it("points of a server are listed from the top, each once, without the server's own", async () => {
  const tree: Readonly<Record<string, readonly [string, BrowseEntry["kind"]][]>> = {
    "": [
      ["i=2253", "object"],
      ["s=Line1", "object"],
    ],
    "s=Line1": [["s=Line1.Press", "object"]],
    "s=Line1.Press": [
      ["s=T", "variable"],
      ["s=P", "variable"],
      ["s=Line1", "object"],
    ],
  };
  const browse = (path: readonly string[]): Promise<readonly BrowseEntry[]> =>
    Promise.resolve(
      (tree[path.at(-1) ?? ""] ?? []).map(([node, kind]) => ({
        path: [...path, node],
        name: node.slice(2),
        kind,
        detail: {},
      })),
    );
  const text = await draftPoints({ browse } as unknown as Connector, new AbortController().signal);
  expect(text.split("\n").filter((line) => line.includes("node: "))).toEqual([
    '  - node: "s=T"',
    '  - node: "s=P"',
  ]);
  expect(text).toContain('name: "Line1 Line1.Press T"');
});
