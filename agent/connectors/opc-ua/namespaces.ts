// Node ids by namespace URI: what is configured and stored, against the indexes that hold for one session only.
import type { NodeId } from "node-opcua";
import { opcua } from "./driver.ts";

/** The standard namespace; its nodes are written without `nsu=`. */
export const STANDARD_NAMESPACE = "http://opcfoundation.org/UA/";

export class Namespaces {
  /** The server's NamespaceArray of this session. */
  readonly uris: readonly string[];

  constructor(uris: readonly string[]) {
    this.uris = uris;
  }

  /** `undefined` when the server does not have the namespace now, or the text is no node id. */
  resolve(text: string): NodeId | undefined {
    const match = /^(?:nsu=([^;]+);)?(.+)$/s.exec(text);
    const [, uri, id] = match ?? [];
    if (id === undefined) return undefined;
    const index = uri === undefined ? 0 : this.uris.indexOf(uri);
    if (index < 0) return undefined;
    try {
      return opcua.coerceNodeId(id, index);
    } catch {
      return undefined;
    }
  }

  /** The stable text of a node id. */
  stable(nodeId: NodeId): string {
    const id = nodeId.toString().replace(/^ns=\d+;/, "");
    const uri = this.uri(nodeId.namespace);
    return nodeId.namespace === 0 ? id : `nsu=${uri};${id}`;
  }

  uri(index: number): string {
    return index === 0 ? STANDARD_NAMESPACE : (this.uris[index] ?? `urn:unknown-namespace:${index}`);
  }

  equals(other: Namespaces): boolean {
    return (
      this.uris.length === other.uris.length && this.uris.every((uri, index) => uri === other.uris[index])
    );
  }
}
