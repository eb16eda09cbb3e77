// Browsing in chunks that the server accepts, continuation points followed to their end.
import type { NodeId, ReferenceDescription } from "node-opcua";
import type { BrowseEntry } from "#agent/core/source/connector.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import { orAborted } from "./abort.ts";
import type { Connection } from "./connection.ts";
import { opcua } from "./driver.ts";

const HIERARCHICAL = "i=33";
const HAS_PROPERTY = "ns=0;i=46";
/** As the driver writes node ids of the standard namespace. */
export const OBJECTS_FOLDER = "ns=0;i=85";
/** The server's own housekeeping: thousands of nodes, none of them a machine's. */
export const SERVER_OBJECT = "ns=0;i=2253";
/** The driver declares this enumeration twice; the number is the same. */
const VARIABLE: number = opcua.NodeClass.Variable;
/** References of one node, at most. */
const MAX_REFERENCES = 100_000;

/** The hierarchical references of each node, properties left out. Nodes that cannot be browsed have none. */
export async function browseNodes(
  connection: Connection,
  nodes: readonly NodeId[],
  direction: "forward" | "inverse",
  signal: AbortSignal,
): Promise<readonly (readonly ReferenceDescription[])[]> {
  const found: ReferenceDescription[][] = [];
  for (const chunk of chunksOf(nodes, connection.limits.browse)) {
    const results = await orAborted(
      connection.session.browse(
        chunk.map((nodeId) => ({
          nodeId,
          browseDirection:
            direction === "forward" ? opcua.BrowseDirection.Forward : opcua.BrowseDirection.Inverse,
          referenceTypeId: HIERARCHICAL,
          includeSubtypes: true,
          nodeClassMask: opcua.NodeClassMask.Object | opcua.NodeClassMask.Variable,
          resultMask: 63,
        })),
      ),
      signal,
    );
    for (const result of results) {
      const references = [...(result.references ?? [])];
      let { continuationPoint } = result;
      while (continuationPoint?.length > 0 && references.length < MAX_REFERENCES) {
        const next = await orAborted(connection.session.browseNext(continuationPoint, false), signal);
        references.push(...(next.references ?? []));
        continuationPoint = next.continuationPoint;
      }
      found.push(references.filter((one) => one.referenceTypeId.toString() !== HAS_PROPERTY));
    }
  }
  return found;
}

export function* chunksOf<T>(list: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < list.length; at += size) yield list.slice(at, at + size);
}

export function isVariable({ nodeClass }: ReferenceDescription): boolean {
  return (nodeClass as number) === VARIABLE;
}

/** Names on the way, without namespace indexes. */
export function browseNameOf(reference: ReferenceDescription): string {
  return reference.browseName.name ?? "";
}

/** One level for people: the path consists of stable node ids, beginning below the Objects folder. */
export async function browseLevel(
  connection: Connection,
  path: readonly string[],
  signal: AbortSignal,
): Promise<readonly BrowseEntry[]> {
  const at = path.at(-1) ?? "i=85";
  const node = connection.namespaces.resolve(at);
  if (node === undefined) {
    throw new ConnectorError(
      "bad_data",
      `browsing ${at}: this is no node id, or its namespace is not on this server; browse from the top`,
    );
  }
  const [references = []] = await browseNodes(connection, [node], "forward", signal);
  return references.map((reference) => {
    const id = connection.namespaces.stable(reference.nodeId);
    return {
      path: [...path, id],
      name: reference.displayName.text ?? browseNameOf(reference),
      kind: isVariable(reference) ? "variable" : "object",
      detail: { node: id, browse_name: browseNameOf(reference) },
    };
  });
}
