// What the audit trail says about a command: who asked for what, what was decided, and what came of it. Values by their hash.
import type { BrowseBody, OperateBody, QueryBody, ReadBody, WriteBody } from "#common/contract/commands.ts";
import type { CommandResult } from "#common/contract/messages.ts";
import type { AuditFact, Sha256 } from "./audit-chain.ts";
import type { JournalEntry } from "./journal.ts";

const MAX_TEXT = 500;
const MAX_FIELDS = 200;

/** What was asked for. `withValues`: the plant wants the values themselves in its trail. */
export function askedDetail(
  body: WriteBody,
  sha256: Sha256,
  withValues: boolean,
): Readonly<Record<string, unknown>> {
  const { entity, operation, key, values, actor, idempotency_key, if_version, dry_run } = body;
  const text = JSON.stringify(values);
  return {
    entity,
    operation,
    ...(key === undefined ? {} : { key: key.slice(0, MAX_TEXT) }),
    fields: Object.keys(values).slice(0, MAX_FIELDS),
    ...(withValues ? { values } : { values_sha256: sha256(text) }),
    ...(actor === undefined ? {} : { actor }),
    ...(idempotency_key === undefined ? {} : { idempotency_key }),
    ...(if_version === undefined ? {} : { if_version }),
    ...(dry_run === true ? { dry_run } : {}),
  };
}

/** Of what changes nothing at the source. */
export function directDetail(
  kind: "query" | "browse" | "operate" | "read" | "test",
  body: unknown,
  sha256: Sha256,
): Readonly<Record<string, unknown>> {
  switch (kind) {
    case "query": {
      const { query, parameters } = body as QueryBody;
      return { query, parameters_sha256: sha256(JSON.stringify(parameters)) };
    }
    case "read":
      return { entity: (body as ReadBody).entity, records: (body as ReadBody).keys.length };
    case "test":
      return {};
    case "browse":
      return { path: (body as BrowseBody).path.map((part) => part.slice(0, MAX_TEXT)) };
    default:
      return { ...(body as OperateBody) };
  }
}

export function entryFact(
  event: string,
  { id, connection }: Pick<JournalEntry, "id" | "connection">,
  atMs: number,
  detail: Readonly<Record<string, unknown>> = {},
): AuditFact {
  return { atMs, event, connection, commandId: id, detail };
}

/** The answer's values stay out. */
export function outcomeDetail({
  outcome,
  code,
  detail,
  source_code,
}: CommandResult): Readonly<Record<string, unknown>> {
  return {
    outcome,
    ...(code === undefined ? {} : { code }),
    ...(source_code === undefined ? {} : { source_code }),
    ...(detail === undefined ? {} : { detail: detail.slice(0, MAX_TEXT) }),
  };
}
