// Finds the variables below a node, so that a plant need not list thousands by hand.
import type { NodeId } from "node-opcua";
import { ConnectorError } from "#common/runtime/errors.ts";
import { SERVER_OBJECT, browseNameOf, browseNodes, isVariable } from "./browse.ts";
import type { Connection } from "./connection.ts";
import type { DiscoverSettings } from "./settings.ts";

/** Levels below the root, and nodes looked at, at most: address spaces may be cyclic or endless. */
const MAX_DEPTH = 40;
const MAX_VISITED = 500_000;

export interface FoundVariable {
  readonly node: string;
  /** Browse names from the root to the variable, joined by `/`. */
  readonly browsePath: string;
}

export interface Discovery {
  readonly found: readonly FoundVariable[];
  /** More variables match than `max` allows. */
  readonly isCut: boolean;
}

interface Visit {
  readonly node: NodeId;
  readonly path: readonly string[];
}

/** Breadth first, each node once. @throws ConnectorError misconfigured when the root or a namespace is not there */
export async function discover(
  connection: Connection,
  settings: DiscoverSettings,
  signal: AbortSignal,
): Promise<Discovery> {
  const root = connection.namespaces.resolve(settings.root);
  const missing = settings.namespaces.filter((uri) => !connection.namespaces.uris.includes(uri));
  if (root === undefined || missing.length > 0) {
    const what =
      root === undefined ? `discover.root ${settings.root}` : `discover.namespaces ${missing.join(", ")}`;
    throw new ConnectorError(
      "misconfigured",
      `${what}: not on this server, whose namespaces are ${connection.namespaces.uris.join(", ")}; correct the setting`,
    );
  }
  const isWanted = wantedBy(settings, connection);
  const visited = new Set<string>([root.toString(), SERVER_OBJECT]);
  const found: FoundVariable[] = [];
  let level: Visit[] = [{ node: root, path: [] }];
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0 && visited.size < MAX_VISITED; depth += 1) {
    const references = await browseNodes(
      connection,
      level.map(({ node }) => node),
      "forward",
      signal,
    );
    const next: Visit[] = [];
    for (const [index, { path }] of level.entries()) {
      for (const reference of references[index] ?? []) {
        const id = reference.nodeId.toString();
        if (visited.has(id)) continue;
        visited.add(id);
        const ownPath = [...path, browseNameOf(reference)];
        next.push({ node: reference.nodeId, path: ownPath });
        if (!isVariable(reference)) continue;
        const browsePath = ownPath.join("/");
        if (!isWanted(reference.nodeId, browsePath)) continue;
        if (found.length === settings.max) return { found, isCut: true };
        found.push({ node: connection.namespaces.stable(reference.nodeId), browsePath });
      }
    }
    level = next;
  }
  return { found, isCut: false };
}

function wantedBy(
  settings: DiscoverSettings,
  connection: Connection,
): (nodeId: NodeId, browsePath: string) => boolean {
  const include = settings.include.map(patternOf);
  const exclude = settings.exclude.map(patternOf);
  return (nodeId, browsePath) => {
    const namespaceFits =
      settings.namespaces.length === 0
        ? nodeId.namespace !== 0
        : settings.namespaces.includes(connection.namespaces.uri(nodeId.namespace));
    return (
      namespaceFits &&
      (include.length === 0 || include.some((pattern) => pattern.test(browsePath))) &&
      !exclude.some((pattern) => pattern.test(browsePath))
    );
  };
}

/** `*` stands for any text, `?` for one character; capitals do not matter. */
export function patternOf(glob: string): RegExp {
  const source = glob
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "is");
}
