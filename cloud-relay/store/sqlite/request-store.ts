// The request log in SQLite: the row is JSON, beside the columns that it is found by.
import type { LoggedRequest, RequestCounts, RequestStore } from "../../core/requests/request-store.ts";
import type { DirectoryIo } from "./directory-io.ts";

export const REQUESTS = `
CREATE TABLE requests (
  request_no INTEGER PRIMARY KEY, workspace_id TEXT NOT NULL, connection_id TEXT, id TEXT NOT NULL, at_ms INTEGER NOT NULL,
  method TEXT NOT NULL, status INTEGER NOT NULL, code TEXT, url TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX requests_workspace ON requests (workspace_id, request_no);
CREATE INDEX requests_id ON requests (id);
CREATE INDEX requests_age ON requests (at_ms);
CREATE INDEX requests_outcome ON requests (workspace_id, at_ms, status, connection_id);
`;

const PRUNE_ROWS = 5_000;

export function sqliteRequests({ read, write, writeAll }: DirectoryIo): RequestStore {
  return {
    async append(requests) {
      const [first, ...rest] = requests.map(insertion);
      if (first !== undefined) await writeAll(first, ...rest);
    },
    async list({ workspaceId, connectionIds }, query) {
      const { id, connectionId, method, status, code, path, afterMs, beforeMs, olderThan, limit } = query;
      const conditions: [string, unknown][] = [["workspace_id = ?", workspaceId]];
      const also = (sql: string, value: unknown): void => {
        if (value !== undefined) conditions.push([sql, value]);
      };
      also(
        "connection_id IN (SELECT value FROM json_each(?))",
        connectionIds && JSON.stringify(connectionIds),
      );
      also("id = ?", id);
      also("connection_id = ?", connectionId);
      also("method = ?", method);
      also("status = ?", status);
      also("code = ?", code);
      also("instr(url, ?) = 1", path);
      also("at_ms >= ?", afterMs);
      also("at_ms < ?", beforeMs);
      also("request_no < ?", olderThan);
      const where = conditions.map(([sql]) => sql).join(" AND ");
      const rows = await read<{ readonly place: number; readonly body: string }>(
        `SELECT request_no AS place, body FROM requests WHERE ${where} ORDER BY request_no DESC LIMIT ?`,
        ...conditions.map(([, value]) => value),
        limit,
      );
      return rows.map(({ place, body }) => Object.assign(JSON.parse(body) as LoggedRequest, { place }));
    },
    async counts({ workspaceId, connectionIds }, sinceMs) {
      const ids = connectionIds && JSON.stringify(connectionIds);
      const [counts] = await read<RequestCounts>(
        `SELECT count(*) AS requests, count(*) FILTER (WHERE status BETWEEN 400 AND 499) AS clientErrors,
         count(*) FILTER (WHERE status >= 500) AS serverErrors FROM requests INDEXED BY requests_outcome
         WHERE workspace_id = ? AND at_ms >= ? AND (? IS NULL OR connection_id IN (SELECT value FROM json_each(?)))`,
        workspaceId,
        sinceMs,
        ids,
        ids,
      );
      return counts ?? { requests: 0, clientErrors: 0, serverErrors: 0 };
    },
    async prune(beforeMs) {
      const { changes } = await write(
        `DELETE FROM requests WHERE request_no IN (SELECT request_no FROM requests WHERE at_ms < ? LIMIT ${PRUNE_ROWS})`,
        beforeMs,
      );
      return changes === PRUNE_ROWS;
    },
  };
}

function insertion(request: LoggedRequest): [string, ...unknown[]] {
  const { workspaceId, connectionId, id, atMs, method, status, code, url } = request;
  return [
    `INSERT INTO requests (workspace_id, connection_id, id, at_ms, method, status, code, url, body)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    workspaceId,
    connectionId,
    id,
    atMs,
    method,
    status,
    code,
    url,
    JSON.stringify(request),
  ];
}
