// The engine's core: queries, conditions, joins, types, as a SQL Server session sees them.
import { describe, expect, test } from "vitest";
import type { BoundParameter, DatabaseSession, DbType, DbValue } from "./session.ts";
import { ADMINISTRATOR, SqlServerDatabase } from "./sql-server.ts";

const never = new AbortController().signal;

function open(database: SqlServerDatabase): DatabaseSession {
  return database.logIn({
    ...ADMINISTRATOR,
    database: "erp",
    applicationName: "test",
    isReadOnlyIntent: false,
  });
}

function bound(...values: readonly (readonly [DbType, DbValue])[]): readonly BoundParameter[] {
  return values.map(([type, value], at) => ({ name: `p${at + 1}`, type, value }));
}

async function rows(
  session: DatabaseSession,
  text: string,
  parameters: readonly BoundParameter[] = [],
): Promise<unknown> {
  const { sets } = await session.execute(text, parameters, never);
  return sets.at(-1)?.rows;
}

const NVARCHAR: DbType = { kind: "nvarchar", length: 4000 };
const INT: DbType = { kind: "int", bits: 32 };

function orders(): SqlServerDatabase {
  const database = new SqlServerDatabase();
  database.createTable({
    name: "po",
    columns: [
      { name: "site", type: "nvarchar(8)" },
      { name: "ponum", type: "varchar(10)" },
      { name: "total", type: "decimal(15,2)" },
      { name: "rv", type: "rowversion" },
    ],
    primaryKey: ["site", "ponum"],
    indexes: [{ columns: ["rv"] }],
  });
  for (const [site, ponum, total] of [
    ["A", "1", "10.50"],
    ["A", "2", "0.1"],
    ["a ", "3", null],
    ["B", "1", "12345678901.23"],
  ] as const)
    database.insert("po", { site, ponum, total });
  return database;
}

describe("queries", () => {
  test("read by key, in order, with parameters of other types", async () => {
    const session = open(orders());
    const text =
      "SELECT TOP (2) [site], [ponum], CONVERT(varchar(50), [total]) FROM [dbo].[po] WHERE [site] >= @p1 AND ([site] > @p1 OR ([site] = @p1 AND [ponum] > @p2)) ORDER BY [site], [ponum]";
    expect(await rows(session, text, bound([NVARCHAR, "a"], [NVARCHAR, "1"]))).toEqual([
      ["A", "2", "0.10"],
      ["a ", "3", null],
    ]);
  });

  test("use the key instead of reading everything", async () => {
    const database = new SqlServerDatabase();
    database.createTable({ name: "t", columns: [{ name: "id", type: "int" }], primaryKey: ["id"] });
    database.insert("t", ...Array.from({ length: 1000 }, (_, id) => ({ id })));
    const session = open(database);
    for (const [condition, read] of [
      ["id = 17", 1],
      ["id > 990", 9],
      ["id BETWEEN 5 AND 8", 4],
      ["id IN (1, 500, 999)", 3],
      ["(id = 3) OR (id = 9)", 2],
      ["id + 0 = 3", 1000],
    ] as const) {
      database.log.clear();
      await rows(session, `SELECT id FROM t WHERE ${condition} ORDER BY id`);
      expect([condition, database.log.rowsRead]).toEqual([condition, read]);
    }
    database.log.clear();
    expect(await rows(session, "SELECT TOP (3) id FROM t ORDER BY id DESC")).toEqual([[999], [998], [997]]);
    expect(database.log.rowsRead).toBeLessThan(5);
  });

  test("join, group, union, subqueries", async () => {
    const database = orders();
    database.createTable({
      name: "line",
      columns: [
        { name: "site", type: "nvarchar(8)" },
        { name: "qty", type: "int" },
      ],
    });
    database.insert("line", { site: "a", qty: 2 }, { site: "A", qty: 3 }, { site: "C", qty: 9 });
    const session = open(database);
    expect(
      await rows(
        session,
        "SELECT p.ponum, SUM(l.qty) AS q FROM po p LEFT JOIN line l ON l.site = p.site GROUP BY p.ponum ORDER BY p.ponum",
      ),
    ).toEqual([
      ["1", 5],
      ["2", 5],
      ["3", 5],
    ]);
    expect(
      await rows(
        session,
        "SELECT COUNT(*) FROM po WHERE EXISTS (SELECT 1 FROM line WHERE line.site = po.site)",
      ),
    ).toEqual([[3]]);
    expect(await rows(session, "SELECT site FROM po UNION SELECT site FROM line ORDER BY site")).toEqual([
      ["A"],
      ["B"],
      ["C"],
    ]);
    expect(
      await rows(session, "WITH x AS (SELECT site FROM line) SELECT COUNT(DISTINCT site) FROM x"),
    ).toEqual([[2]]);
  });

  test("an unknown statement, table and column are refused by name", async () => {
    const session = open(orders());
    await expect(rows(session, "SELECT * FROM po PIVOT (x)")).rejects.toThrow(/PIVOT/);
    await expect(rows(session, "SELECT 1 FROM nowhere")).rejects.toMatchObject({ number: 208 });
    await expect(rows(session, "SELECT status FROM po")).rejects.toMatchObject({
      number: 207,
      message: /status/,
    });
    await expect(rows(session, "SELECT site, ponum FROM po GROUP BY site")).rejects.toMatchObject({
      number: 8120,
    });
    await expect(rows(session, "SELECT DISTINCT site FROM po ORDER BY ponum")).rejects.toMatchObject({
      number: 145,
    });
    await expect(rows(session, "SELECT 1 FROM po WITH (SNAPSHOT)")).rejects.toMatchObject({ number: 321 });
    await expect(rows(session, "SET FROBNICATION ON")).rejects.toMatchObject({ number: 195 });
    const many = Array.from({ length: 2101 }, (_, at) => [INT, at] as const);
    await expect(rows(session, "SELECT 1", bound(...many))).rejects.toMatchObject({ number: 8003 });
    await expect(rows(session, "SELECT FROBNICATE(1)")).rejects.toThrow(/FROBNICATE/);
  });
});

describe("values", () => {
  test.each([
    [
      "CONVERT(varchar(50), CAST(N'1234567890123456789012345678.9012345678' AS decimal(38,10)))",
      "1234567890123456789012345678.9012345678",
    ],
    ["CONVERT(varchar(30), CAST(922337203685477.5807 AS money), 2)", "922337203685477.5807"],
    [
      "CONVERT(varchar(30), CAST('2024-06-01T10:00:00.1234567' AS datetime2(7)), 126)",
      "2024-06-01T10:00:00.1234567",
    ],
    [
      "CONVERT(varchar(40), CAST('2024-06-01 10:00:00.1234567 +02:00' AS datetimeoffset(7)), 127)",
      "2024-06-01T08:00:00.1234567Z",
    ],
    ["CONVERT(varchar(30), CAST('2024-06-01 10:00:00.998' AS datetime), 126)", "2024-06-01T10:00:00.997"],
    ["CONVERT(varchar(18), CONVERT(binary(8), '0x00000000000007D1', 1), 1)", "0x00000000000007D1"],
    [
      "CASE WHEN CAST(N'a' COLLATE Latin1_General_CS_AS AS nvarchar(10)) = CAST(N'A' COLLATE Latin1_General_CS_AS AS nvarchar(10)) THEN 1 ELSE 0 END",
      0,
    ],
    ["CASE WHEN N'cafe' = N'Café' COLLATE Latin1_General_CI_AI THEN 1 ELSE 0 END", 1],
    ["CASE WHEN 'a' = 'A  ' THEN 1 ELSE 0 END", 1],
    ["CASE WHEN N'ä' = N'Ä' COLLATE Latin1_General_CS_AS THEN 1 ELSE 0 END", 0],
    ["CASE WHEN N'ä' < N'Ä' COLLATE Latin1_General_CS_AS THEN 1 ELSE 0 END", 1],
    ["CASE WHEN N'ä' = N'Ä' COLLATE Latin1_General_CI_AS THEN 1 ELSE 0 END", 1],
    ["CAST(9007199254740993 AS bigint)", 9007199254740993n],
    ["10 / 4", 2],
    ["0.1 + 0.2", "0.3"],
    ["ISNULL(NULL, 'x') + N'y'", "xy"],
    ["TRY_CONVERT(int, 'abc')", null],
    ["CAST(N'Größe 漢🏭' AS varchar(20))", "Größe ???"],
    ["CAST(N'Größe 漢🏭' COLLATE Latin1_General_100_CI_AS_SC_UTF8 AS varchar(20))", "Größe 漢🏭"],
    ["CAST('AB' AS char(5))", "AB   "],
    ["QUOTENAME('a]b')", "[a]]b]"],
  ])("%s", async (expression, expected) => {
    expect(await rows(open(new SqlServerDatabase()), `SELECT ${expression}`)).toEqual([[expected]]);
  });
});

describe("writes", () => {
  test("by SQL: tables, rows, outputs, merge", async () => {
    const session = open(new SqlServerDatabase());
    await session.execute(
      "CREATE TABLE t (id int IDENTITY(1,1) PRIMARY KEY, n varchar(5) NOT NULL, q decimal(9,3) DEFAULT 1)",
      [],
      never,
    );
    expect(
      await rows(session, "INSERT INTO t (n) OUTPUT inserted.id, inserted.q VALUES ('a'), ('b')"),
    ).toEqual([
      [1, "1.000"],
      [2, "1.000"],
    ]);
    const updated = await session.execute("UPDATE t SET q += 2 WHERE n = @p1", bound([NVARCHAR, "B"]), never);
    expect(updated.rowsAffected).toBe(1);
    await session.execute(
      "MERGE t AS target USING (VALUES (2, 'bb'), (7, 'c')) AS s (id, n) ON target.id = s.id WHEN MATCHED THEN UPDATE SET n = s.n WHEN NOT MATCHED THEN INSERT (n) VALUES (s.n);",
      [],
      never,
    );
    expect(await rows(session, "SELECT id, n, q FROM t ORDER BY id")).toEqual([
      [1, "a", "1.000"],
      [2, "bb", "3.000"],
      [3, "c", "1.000"],
    ]);
    await expect(session.execute("INSERT INTO t (n) VALUES (NULL)", [], never)).rejects.toMatchObject({
      number: 515,
    });
    await expect(session.execute("INSERT INTO t (n) VALUES ('too long')", [], never)).rejects.toMatchObject({
      number: 2628,
    });
  });

  test("equal keys are refused as the collation sees them", async () => {
    const database = orders();
    expect(() => database.insert("po", { site: "a", ponum: "1" })).toThrow(/duplicate key/);
    await expect(
      open(database).execute("INSERT INTO po (site, ponum) VALUES ('A', '2 ')", [], never),
    ).rejects.toMatchObject({ number: 2627 });
  });

  test("a batch with variables, flow and an error handler", async () => {
    const session = open(orders());
    const text = `
      DECLARE @n int = 0, @sum decimal(18,2);
      SELECT @sum = SUM(total) FROM po;
      IF @sum > 5 BEGIN SET @n = 1 END ELSE SET @n = 2;
      BEGIN TRY INSERT INTO po (site, ponum) VALUES ('A', '1') END TRY
      BEGIN CATCH SELECT @n, ERROR_NUMBER(), @@TRANCOUNT END CATCH`;
    expect(await rows(session, text)).toEqual([[1, 2627, 0]]);
  });
});

describe("rights", () => {
  test("on tables and columns, taken away midway", async () => {
    const database = orders();
    database.rights.add({ user: "reader", password: "reads" });
    const login = {
      user: "reader",
      password: "reads",
      database: "erp",
      applicationName: "test",
      isReadOnlyIntent: false,
    };
    const session = database.logIn(login);
    await expect(rows(session, "SELECT site FROM po")).rejects.toMatchObject({ number: 229 });
    expect(await rows(session, "SELECT name FROM sys.tables")).toEqual([]);
    const owner = open(database);
    await owner.execute(
      "GRANT SELECT ON OBJECT::dbo.po TO reader; DENY SELECT(total) ON dbo.po TO reader",
      [],
      never,
    );
    expect(await rows(session, "SELECT COUNT(*) FROM po WHERE site = 'A'")).toEqual([[3]]);
    await expect(rows(session, "SELECT total FROM po")).rejects.toMatchObject({
      number: 230,
      message: /total/,
    });
    const has =
      "SELECT HAS_PERMS_BY_NAME('dbo.po', 'OBJECT', 'SELECT', 'site', 'COLUMN'), HAS_PERMS_BY_NAME('dbo.po', 'OBJECT', 'SELECT', 'total', 'COLUMN')";
    expect(await rows(session, has)).toEqual([[1, 0]]);
    await expect(rows(session, "DELETE FROM po")).rejects.toMatchObject({ number: 229 });
    await expect(rows(session, "SELECT 1 FROM sys.dm_exec_sessions")).rejects.toMatchObject({ number: 300 });
    await owner.execute("REVOKE SELECT ON dbo.po FROM reader", [], never);
    await expect(rows(session, "SELECT site FROM po")).rejects.toMatchObject({ number: 229 });
    expect(() => database.logIn({ ...login, password: "guessed" })).toThrow(
      expect.objectContaining({ number: 18_456 }),
    );
    expect(() => database.logIn({ ...login, database: "other" })).toThrow(
      expect.objectContaining({ number: 4060 }),
    );
  });
});

describe("catalogue", () => {
  test("tables, columns and keys", async () => {
    const session = open(orders());
    const columns = `SELECT c.name, t.name, c.max_length, c.precision, c.scale, c.is_nullable, c.collation_name
      FROM sys.columns AS c JOIN sys.objects AS o ON o.object_id = c.object_id
      JOIN sys.types AS t ON t.user_type_id = c.user_type_id
      WHERE c.object_id = OBJECT_ID(N'[dbo].[po]') AND o.type IN ('U', 'V') ORDER BY c.column_id`;
    expect(await rows(session, columns)).toEqual([
      ["site", "nvarchar", 16, 0, 0, false, "SQL_Latin1_General_CP1_CI_AS"],
      ["ponum", "varchar", 10, 0, 0, false, "SQL_Latin1_General_CP1_CI_AS"],
      ["total", "decimal", 9, 15, 2, true, null],
      ["rv", "timestamp", 8, 0, 0, false, null],
    ]);
    const keys = `SELECT c.name, i.is_primary_key, ic.key_ordinal FROM sys.indexes AS i
      JOIN sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id
      JOIN sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id
      WHERE i.object_id IN (@p1) ORDER BY i.index_id, ic.key_ordinal`;
    const [[id]] = (await rows(session, "SELECT OBJECT_ID('po')")) as [[number]];
    expect(await rows(session, keys, bound([INT, id]))).toEqual([
      ["site", true, 1],
      ["ponum", true, 2],
      ["rv", false, 1],
    ]);
  });
});
