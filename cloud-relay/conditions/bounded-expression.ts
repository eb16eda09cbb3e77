// Finds what would let an expression run for long or grow: a pattern, a loop over the same list within a loop, too many loops.
import type { ASTNode } from "@marcbachmann/cel-js";

export interface Unbounded {
  /** Characters before it. */
  readonly at: number;
  readonly what: string;
  readonly hint: string;
}

/** Each visits its list once. */
const MAX_LOOPS = 6;
const LOOPS = new Set(["exists", "all", "exists_one", "filter"]);
/** Everything else is refused: regular expressions can run for ever, joins and bindings can grow without end. */
const FUNCTIONS = new Set([
  ...LOOPS,
  ..."bool contains double duration dyn endsWith has indexOf int lastIndexOf lowerAscii size".split(" "),
  ..."startsWith string substring timestamp trim type uint upperAscii".split(" "),
  ..."getDate getDayOfMonth getDayOfWeek getDayOfYear getFullYear getHours getMilliseconds".split(" "),
  ..."getMinutes getMonth getSeconds".split(" "),
]);

/** The first such place; undefined: its work is bounded by the size of the event. */
export function findUnbounded(root: ASTNode): Unbounded | undefined {
  let loops = 0;
  const visit = (node: ASTNode, within: readonly string[]): Unbounded | undefined => {
    if (node.op === "call" || node.op === "rcall") {
      const [name] = node.args;
      if (!FUNCTIONS.has(name)) return unknownFunction(node, name);
      if (node.op === "rcall" && LOOPS.has(name)) {
        loops += 1;
        if (loops > MAX_LOOPS)
          return { at: node.start, what: `more than ${MAX_LOOPS} loops`, hint: "use several endpoints" };
        const [, range, [variable, ...bodies]] = node.args;
        const rangeRoot = rootOf(range);
        if (within.length > 0 && !within.includes(rangeRoot ?? ""))
          return {
            at: node.start,
            what: "a loop within a loop goes over another list",
            hint: "an inner loop may go over a list of the outer element: lines.exists(l, l.parts.exists(p, …))",
          };
        const inner = variable?.op === "id" ? [variable.args] : [];
        return visit(range, within) ?? firstOf(bodies, (body) => visit(body, inner));
      }
    }
    return firstOf(childrenOf(node), (child) => visit(child, within));
  };
  return visit(root, []);
}

function unknownFunction(node: ASTNode, name: string): Unbounded {
  const hint =
    name === "matches"
      ? "use startsWith, endsWith or contains"
      : "there are exists, all, filter, size, has, contains, startsWith, endsWith, double, timestamp";
  return { at: node.start, what: `${name} is not a function of conditions`, hint };
}

/** The variable that a path begins with. */
function rootOf(node: ASTNode | undefined): string | undefined {
  if (node === undefined) return undefined;
  if (node.op === "id") return node.args;
  if (node.op === "." || node.op === "[]") return rootOf(node.args[0]);
  if (node.op === "rcall") return rootOf(node.args[1]);
  return undefined;
}

function childrenOf(node: ASTNode): readonly ASTNode[] {
  switch (node.op) {
    case "value":
    case "id":
      return [];
    case ".":
    case ".?":
      return [node.args[0]];
    case "call":
      return node.args[1];
    case "rcall":
      return [node.args[1], ...node.args[2]];
    case "map":
      return node.args.flat();
    case "!_":
    case "-_":
      return [node.args];
    default:
      return node.args;
  }
}

function firstOf<T, R>(items: readonly T[], find: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}
