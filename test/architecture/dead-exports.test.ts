// Nothing is exported that nothing imports; and the search finds what is planted.
import { expect, it } from "vitest";
import { findDeadExports } from "./dead-exports.ts";
import { modulesOf, readRepository } from "./source-tree.ts";

it("finds no dead export in the repository", () => {
  const dead = findDeadExports(modulesOf(readRepository()));
  expect(dead.map(({ where, what }) => `${where}: ${what}`)).toEqual([]);
});

it("finds planted ones, and spares what is taken in any of the ways there are", () => {
  const texts = new Map([
    [
      "agent/core/a.ts",
      [
        "export function named() {}",
        "export async function lazy() {}",
        "export class Taken {}",
        "export function behind() {}",
        "export function dead() {}",
        "export abstract class Dead {}",
        "export const DEAD = 1;",
        "export interface Ignored {}",
        "export const LIMIT = 1;",
        "export const usesLimit = () => LIMIT;",
      ].join("\n"),
    ],
    ["agent/core/whole.ts", "export function anything() {}"],
    [
      "agent/main.ts",
      [
        'import { named as other, type Taken } from "#agent/core/a.ts";',
        'import * as whole from "./core/whole.ts";',
        'const { lazy } = await import("./core/a.ts");',
        '(await import("./core/a.ts")).behind();',
        'import { usesLimit } from "#agent/core/a.ts";',
      ].join("\n"),
    ],
  ]);
  const dead = findDeadExports(modulesOf(texts)).map(({ where, what }) => `${where}: ${what}`);
  expect(dead).toEqual([
    "agent/core/a.ts:5: nothing uses the function dead",
    "agent/core/a.ts:6: nothing uses the class Dead",
    "agent/core/a.ts:7: nothing uses the const DEAD",
  ]);
});
