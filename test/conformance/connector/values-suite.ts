// Conformance: values arrive exactly, and keys are equal when the source says so.
import { describe, expect, test } from "vitest";
import type { SourceRow } from "#agent/core/source/connector.ts";
import { canonicalKey } from "#agent/core/source/key-rules.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import { type ConnectorHarness, Replica } from "./harness.ts";

const never = new AbortController().signal;

function wholeTable(name: string, key: string): EntityPlan {
  return {
    entity: name,
    table: { name },
    key: [key],
    columns: ["*"],
    filters: [],
    change: { kind: "full_scan" },
    children: [],
  };
}

/** Oracle spells names in capitals. */
function columnOf(row: SourceRow | undefined, name: string): unknown {
  const { columns } = row!;
  return columns[name] === undefined ? columns[name.toUpperCase()] : columns[name];
}

export function describeValues(harness: ConnectorHarness): void {
  describe("values", () => {
    test("are exact in every pass, nulls included", async () => {
      await using source = await harness.create();
      const { exactCases, types } = harness;
      const columns = exactCases.map((value, index) => `c${index} ${value.type}`);
      await source.sql(`CREATE TABLE exact (id ${types.integer} PRIMARY KEY, ${columns.join(", ")});`);
      await source.sql(
        `INSERT INTO exact VALUES (1, ${exactCases.map((value) => value.literal).join(", ")});
         INSERT INTO exact (id) VALUES (2);`,
      );
      await using connector = source.connector([wholeTable("exact", "id")]);
      await connector.open(never);
      const replica = new Replica(connector, "exact");
      for (const pass of ["snapshot", "point"] as const) {
        const rows = await replica.pass(pass, { keys: [["1"], ["2"]] });
        const [full, empty] = rows.toSorted((left, right) => Number(left.key[0]) - Number(right.key[0]));
        const got = exactCases.map(({ name }, index) => [
          name,
          columnOf(full, `c${index}`),
          columnOf(empty, `c${index}`),
        ]);
        expect(got).toEqual(exactCases.map(({ name, expected }) => [name, expected, null]));
      }
    });

    test.each(harness.keyCases)(
      "keys of $type compare as the source compares them",
      async ({ type, same, different }) => {
        await using source = await harness.create();
        await source.sql(`CREATE TABLE keyed (k ${type} PRIMARY KEY, v ${harness.types.integer});`);
        await using connector = source.connector([wholeTable("keyed", "k")]);
        await connector.open(never);
        const rules = connector.keyRules("keyed");
        const replica = new Replica(connector, "keyed");
        for (const [left, right] of same) {
          expect(canonicalKey([left], rules)).toBe(canonicalKey([right], rules));
          await source.sql(`DELETE FROM keyed; INSERT INTO keyed VALUES ('${left}', 1);`);
          expect(await replica.pass("point", { keys: [[right]] })).toHaveLength(1);
          await expect(source.sql(`INSERT INTO keyed VALUES ('${right}', 2);`)).rejects.toThrow(/unique/i);
        }
        await source.sql("DELETE FROM keyed;");
        for (const [left, right] of different) {
          expect(canonicalKey([left], rules)).not.toBe(canonicalKey([right], rules));
          await source.sql(
            `DELETE FROM keyed; INSERT INTO keyed VALUES ('${left}', 1); INSERT INTO keyed VALUES ('${right}', 2);`,
          );
          expect(await replica.pass("snapshot", { maxRows: 1 })).toHaveLength(2);
          expect(await replica.pass("keys", { maxRows: 1 })).toHaveLength(2);
        }
      },
    );

    test("children follow their parent by the source's own comparison", async () => {
      await using source = await harness.create();
      for (const { type, same } of harness.keyCases) {
        for (const [parent, child] of same) {
          await source.sql(`
            CREATE TABLE head (k ${type} PRIMARY KEY); CREATE TABLE item (k ${type}, n ${harness.types.integer});
            INSERT INTO head VALUES ('${parent}'); INSERT INTO item VALUES ('${child}', 1);`);
          const plan = wholeTable("head", "k");
          const lines = {
            name: "lines",
            table: { name: "item" },
            on: [{ child: "k", parent: "k" }],
            columns: ["n"],
            orderBy: ["n"],
            filters: [],
          };
          await using connector = source.connector([{ ...plan, children: [lines] }]);
          await connector.open(never);
          const [row] = await new Replica(connector, "head").pass("snapshot");
          expect(row?.children).toEqual({ lines: [{ n: 1 }] });
          await connector[Symbol.asyncDispose]();
          await source.sql("DROP TABLE head; DROP TABLE item;");
        }
      }
    });
  });
}
