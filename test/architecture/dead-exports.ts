// Exported functions, classes and constants that no file takes, not even their own: code kept for nobody.
import { tokensOf } from "./source-tokens.ts";
import type { Finding, SourceModule } from "./source-tree.ts";

const CHECKED = new Set(["function", "class", "const"]);

/** A named limit or an error that its own file uses may be exported for its readers; what nobody uses may not stay. */
export function findDeadExports(modules: readonly SourceModule[]): readonly Finding[] {
  const taken = new Set<string>();
  for (const { inner } of modules)
    for (const { to, names } of inner) for (const name of names) taken.add(`${to} ${name}`);
  return modules.flatMap((module) => {
    const { path, exports } = module;
    if (taken.has(`${path} *`)) return [];
    return exports
      .filter(({ kind, name }) => CHECKED.has(kind) && !taken.has(`${path} ${name}`))
      .filter(({ name }) => mentions(module, name) < 2)
      .map(({ kind, name, line }) => ({
        rule: "dead export",
        where: `${path}:${line}`,
        what: `nothing uses the ${kind} ${name}`,
      }));
  });
}

function mentions({ text }: SourceModule, name: string): number {
  return tokensOf(text).filter(({ kind, value }) => kind === "word" && value === name).length;
}
