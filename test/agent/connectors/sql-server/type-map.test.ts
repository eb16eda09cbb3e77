// How each type is selected and compared: nothing may pass through a float or a JavaScript Date.
import { expect, test } from "vitest";
import { type ColumnType, exactValue, readingOf } from "#agent/connectors/sql-server/type-map.ts";

const plain: ColumnType = {
  base: "int",
  maxLength: 4,
  precision: 10,
  scale: 0,
  collation: null,
  isAssembly: false,
};
const latin = { maxLength: 30, collation: "Latin1_General_CI_AS" };

test.each<[string, Partial<ColumnType>, string | undefined, string | undefined]>([
  ["int", {}, undefined, undefined],
  ["bigint", {}, undefined, undefined],
  ["float", {}, undefined, undefined],
  ["decimal", { precision: 38, scale: 10 }, "CONVERT(varchar(50), [c])", "CAST(@p1 AS decimal(38, 10))"],
  ["money", {}, "CONVERT(varchar(30), [c], 2)", "CAST(@p1 AS money)"],
  ["datetime2", { scale: 7 }, "CONVERT(varchar(30), [c], 126)", "CAST(@p1 AS datetime2(7))"],
  ["datetime", {}, "CONVERT(varchar(30), [c], 126)", "CAST(@p1 AS datetime)"],
  ["smalldatetime", {}, "CONVERT(varchar(30), [c], 126)", "CAST(@p1 AS datetime)"],
  ["date", {}, "CONVERT(varchar(10), [c], 126)", "CAST(@p1 AS date)"],
  ["time", { scale: 3 }, "CONVERT(varchar(16), [c], 121)", "CAST(@p1 AS time(3))"],
  ["datetimeoffset", { scale: 7 }, "CONVERT(varchar(40), [c], 126)", "CAST(@p1 AS datetimeoffset(7))"],
  ["timestamp", {}, "CONVERT(varchar(18), [c], 1)", "CONVERT(binary(8), @p1, 1)"],
  ["uniqueidentifier", {}, undefined, "CAST(@p1 AS uniqueidentifier)"],
  ["nvarchar", latin, undefined, "CAST(@p1 AS nvarchar(4000))"],
  [
    "varchar",
    latin,
    undefined,
    "CAST(CAST(@p1 AS nvarchar(4000)) COLLATE Latin1_General_CI_AS AS varchar(30))",
  ],
  ["text", {}, "CONVERT(nvarchar(max), [c])", undefined],
  ["image", {}, "CONVERT(varbinary(max), [c])", undefined],
  ["json", {}, "CONVERT(nvarchar(max), [c])", undefined],
])("%s", (base, more, select, parameter) => {
  const reading = readingOf("[c]", { ...plain, ...more, base });
  expect([reading.select, reading.parameter?.("@p1")]).toEqual([select, parameter]);
});

test("a compared instant is written as UTC, so that equal ones have one text", () => {
  const type = { ...plain, base: "datetimeoffset", scale: 7 };
  expect(readingOf("[c]", type, true).select).toBe("CONVERT(varchar(40), SWITCHOFFSET([c], '+00:00'), 126)");
});

test("bytes and types made in .NET are compared as their text", () => {
  expect(readingOf("[c]", { ...plain, base: "varbinary" }).keyText).toBe(
    "'\\x' + LOWER(CONVERT(varchar(max), [c], 2))",
  );
  const geography = readingOf("[c]", { ...plain, base: "geography", isAssembly: true });
  expect(geography).toEqual({ select: "[c].ToString()", keyText: "[c].ToString()" });
});

test("values of the driver stay as they are; bytes lose the driver's buffer", () => {
  expect([exactValue("9223372036854775807"), exactValue(0.1), exactValue(true), exactValue(null)]).toEqual([
    "9223372036854775807",
    0.1,
    true,
    null,
  ]);
  const bytes = exactValue(Buffer.from([0, 255]));
  expect(bytes).toEqual(new Uint8Array([0, 255]));
  expect(Buffer.isBuffer(bytes)).toBe(false);
});
