// Drafts a list of points for an OPC UA connection: its variables, browsed from the top, within bounds.
import type { BrowseEntry, Connector } from "#agent/core/source/connector.ts";

const MAX_NODES = 5_000;
const MAX_POINTS = 500;
const MAX_DEPTH = 8;
const MAX_MS = 30_000;

/** YAML for `settings.nodes`. @throws ConnectorError */
export async function draftPoints(connector: Connector, signal: AbortSignal): Promise<string> {
  const endMs = performance.now() + MAX_MS;
  const points: { readonly node: string; readonly name: string }[] = [];
  const seen = new Set<string>();
  let level: { readonly path: readonly string[]; readonly names: readonly string[] }[] = [
    { path: [], names: [] },
  ];
  let isCut = false;
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth += 1) {
    const next: typeof level = [];
    for (const { path, names } of level) {
      if (seen.size >= MAX_NODES || points.length >= MAX_POINTS || performance.now() > endMs) {
        isCut = true;
        break;
      }
      for (const entry of (await connector.browse?.(path, signal)) ?? []) {
        const node = nodeOf(entry);
        // The server's own housekeeping, and what leads back to where we were.
        if (seen.has(node) || /^(?:ns=0;)?i=2253$/.test(node)) continue;
        seen.add(node);
        const here = [...names, entry.name];
        if (entry.kind === "variable" && points.length < MAX_POINTS)
          points.push({ node, name: here.join(" ") });
        next.push({ path: entry.path, names: here });
      }
    }
    level = next;
  }
  return textOf(points, isCut || level.length > 0);
}

function nodeOf({ path }: BrowseEntry): string {
  return path.at(-1) ?? "";
}

function textOf(points: readonly { readonly node: string; readonly name: string }[], isCut: boolean): string {
  if (points.length === 0) return "No variable is to be seen below Objects: look at this user's rights.\n";
  return `${[
    "# A draft of points for this connection's settings: every variable below Objects. Take out what nobody needs, give the rest",
    `# an asset (CHECK), and mind the server's limits: discover in the settings follows whole branches instead.${isCut ? " There are more." : ""}`,
    "nodes:",
    ...points.flatMap(({ node, name }) => [
      `  - node: ${JSON.stringify(node)}`,
      `    name: ${JSON.stringify(name)}`,
    ]),
  ].join("\n")}\n`;
}
