// Tables of one company among many: names as Business Central and NAV give them.
import { describe, expect, test } from "vitest";
import type { CompanyTable } from "#agent/core/source/plan.ts";
import { CompanyTables } from "#agent/core/sql/company-tables.ts";

const BASE = "437dbf0e-84ff-417a-965d-ed2bb9650972";
const OTHER = "5b4c2a10-7777-4aaa-8bbb-0123456789ab";
const CENTRAL = [
  `CRONUS_DK$Item$${BASE}`,
  `CRONUS_DK$Item$${BASE}$ext`,
  `CRONUS_DK$Item$${OTHER}`,
  `CRONUS_DK$Vendor$${BASE}`,
  `CRONUS_DK$Item Ledger Entry$${BASE}`,
  `Other$Item$${BASE}`,
  "$ndo$dbproperty",
  "Company",
];

function find(
  names: readonly string[],
  name: string,
  company?: string,
  part: CompanyTable["part"] = "table",
): readonly string[] | string {
  const found = new CompanyTables(names).find({ schema: "dbo", name, company: { name: company, part } });
  return typeof found === "string" ? found : found.map((table) => `${table.schema}.${table.name}`);
}

describe("a company's tables", () => {
  test("with an app id: the one of the app that most tables belong to", () => {
    expect(find(CENTRAL, "Item", "CRONUS.DK")).toEqual([`dbo.CRONUS_DK$Item$${BASE}`]);
  });

  test("its extensions, in either layout, in a fixed order", () => {
    const extensions = [`dbo.CRONUS_DK$Item$${BASE}$ext`, `dbo.CRONUS_DK$Item$${OTHER}`];
    expect(find(CENTRAL, "Item", "CRONUS.DK", "extensions")).toEqual(extensions);
    expect(find(CENTRAL, "Vendor", "CRONUS.DK", "extensions")).toEqual([]);
  });

  test("without an app id, as in NAV; the company's case does not matter", () => {
    const nav = ["CRONUS$Item", "CRONUS$Item Ledger Entry"];
    expect(find(nav, "Item", "cronus")).toEqual(["dbo.CRONUS$Item"]);
    expect(find(nav, "Item", "CRONUS", "extensions")).toEqual([]);
  });
});

describe("which company", () => {
  test("the only one needs no name", () => {
    expect(find(["CRONUS$Item", "Item"], "Item")).toEqual(["dbo.CRONUS$Item"]);
    expect(find(CENTRAL, "Vendor")).toEqual([`dbo.CRONUS_DK$Vendor$${BASE}`]);
  });

  test("of several one must be chosen; they are named", () => {
    expect(find(CENTRAL, "Item")).toMatch(/2 companies .*\(CRONUS_DK, Other\).*pack_settings/);
  });

  test("a name that is wrong, and a table that is not there, come with the nearest", () => {
    expect(find(CENTRAL, "Item", "CRONUS DK")).toMatch(/did you mean "CRONUS_DK"/);
    expect(find(CENTRAL, "Itme", "Other")).toMatch(/no table Other\$Itme.*did you mean "Item"/);
    expect(find([], "Item")).toMatch(/no company has a table Item/);
  });
});
