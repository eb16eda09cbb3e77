// Desired and reported settings in SQLite.
import type { ConnectionSettingsDocument, ReportedSettings } from "#common/contract/settings.ts";
import {
  MAX_KEPT_DOCUMENTS,
  type DesiredDocument,
  type SettingsStore,
} from "../../core/settings/settings-store.ts";
import { IN_SCOPE, inScope, type DirectoryIo } from "./directory-io.ts";

export const SETTINGS = `
CREATE TABLE settings_documents (
  connection_id TEXT NOT NULL, revision INTEGER NOT NULL, document TEXT NOT NULL, at_ms INTEGER NOT NULL,
  author TEXT NOT NULL, PRIMARY KEY (connection_id, revision)
) WITHOUT ROWID;
CREATE TABLE settings_reports (
  connection_id TEXT PRIMARY KEY, body TEXT NOT NULL, at_ms INTEGER NOT NULL
) WITHOUT ROWID;
`;

interface DocumentColumns extends Omit<DesiredDocument, "document"> {
  readonly document: string;
}

const DOCUMENT = `SELECT d.connection_id AS connectionId, d.revision, d.document, d.at_ms AS atMs, d.author AS "by"
  FROM settings_documents d JOIN connections c ON c.id = d.connection_id JOIN workspaces w USING (workspace_no)
  WHERE ${IN_SCOPE} AND c.id = ?`;
const REPORT = `SELECT r.body, r.at_ms AS atMs FROM settings_reports r JOIN connections c ON c.id = r.connection_id
  JOIN workspaces w USING (workspace_no) WHERE ${IN_SCOPE} AND c.id = ?`;

export function sqliteSettings({ read, write, writeAll }: DirectoryIo): SettingsStore {
  return {
    async get(scope, connectionId) {
      const of = [...inScope(scope), connectionId];
      const [desired] = await read<DocumentColumns>(`${DOCUMENT} ORDER BY d.revision DESC LIMIT 1`, ...of);
      const [report] = await read<{ readonly body: string; readonly atMs: number }>(REPORT, ...of);
      return {
        desired: desired && desiredDocument(desired),
        reported: report && (JSON.parse(report.body) as ReportedSettings),
        reportedAtMs: report?.atMs,
      };
    },
    async document(scope, connectionId, revision) {
      const found = await read<DocumentColumns>(
        `${DOCUMENT} AND d.revision = ?`,
        ...inScope(scope),
        connectionId,
        revision,
      );
      return found[0] && desiredDocument(found[0]);
    },
    async putDesired({ connectionId, revision, document, atMs, by }) {
      const written = await writeAll(
        [
          `INSERT INTO settings_documents (connection_id, revision, document, at_ms, author) SELECT ?, ?, ?, ?, ?
           WHERE ? = 1 + coalesce((SELECT max(revision) FROM settings_documents WHERE connection_id = ?), 0)
           AND EXISTS (SELECT 1 FROM connections WHERE id = ? AND disconnected_ms IS NULL)`,
          connectionId,
          revision,
          JSON.stringify(document),
          atMs,
          by,
          revision,
          connectionId,
          connectionId,
        ],
        [
          "DELETE FROM settings_documents WHERE connection_id = ? AND revision <= ?",
          connectionId,
          revision - MAX_KEPT_DOCUMENTS,
        ],
      );
      return written > 0;
    },
    async putReported(reported, atMs) {
      await write(
        "INSERT OR REPLACE INTO settings_reports (connection_id, body, at_ms) VALUES (?, ?, ?)",
        reported.connection_id,
        JSON.stringify(reported),
        atMs,
      );
    },
  };
}

function desiredDocument(columns: DocumentColumns): DesiredDocument {
  return { ...columns, document: JSON.parse(columns.document) as ConnectionSettingsDocument };
}
