// Workspaces, connections, agents, tokens and codes in SQLite.
import type { Directory } from "../../core/directory.ts";
import { agentsOf } from "./directory-agents.ts";
import { connectionsOf, workspacesOf } from "./directory-connections.ts";
import { directoryIo, type DirectoryDeps } from "./directory-io.ts";
import { codesOf, tokensOf } from "./directory-secrets.ts";

export function sqliteDirectory(deps: DirectoryDeps): Directory {
  const io = directoryIo(deps);
  return {
    ...workspacesOf(io),
    ...connectionsOf(io, deps.onDeleted),
    ...agentsOf(io),
    ...tokensOf(io),
    ...codesOf(io),
  };
}
