// Workspaces, connections, agents, tokens and codes in SQLite.
import type { Directory } from "../../core/directory.ts";
import { agentsOf } from "./directory-agents.ts";
import { connectionsOf, workspacesOf } from "./directory-connections.ts";
import type { DirectoryIo } from "./directory-io.ts";
import { codesOf, tokensOf } from "./directory-secrets.ts";

/** `onDeleted`: a connection was; what readers remember may name it. */
export function sqliteDirectory(io: DirectoryIo, onDeleted: () => void): Directory {
  return {
    ...workspacesOf(io),
    ...connectionsOf(io, onDeleted),
    ...agentsOf(io),
    ...tokensOf(io),
    ...codesOf(io),
  };
}
