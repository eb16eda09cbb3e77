// The relay's audit trail: what was changed, by whom; append-only, each entry sealed by the hash of all before it.
import type { Scope } from "../store.ts";

export interface NewAuditEntry {
  /** Undefined: of the relay itself. */
  readonly workspaceId: string | undefined;
  readonly atMs: number;
  /** Token's id, or `command line`. */
  readonly actor: string;
  /** `createConnection`, `token revoke`, … */
  readonly action: string;
  readonly requestId: string | undefined;
  /** What it was done to: ids by name, `{ "id": "…" }`. */
  readonly target: Readonly<Record<string, string>>;
  /** Names of the members that were given; never their values. */
  readonly members: readonly string[];
  /** SHA-256 of what was asked (the body as JSON, in its own order), hex; tells later whether a claimed request was this one. */
  readonly digest: string | undefined;
}

export interface AuditEntry extends NewAuditEntry {
  /** Counts the workspace's entries from 1. */
  readonly number: number;
  /** SHA-256 over the hash before and this entry, hex. */
  readonly hash: string;
}

export interface AuditStore {
  append(entry: NewAuditEntry): Promise<AuditEntry>;
  /** Newest first; `below` excludes that number and all greater ones. Without a workspace: the relay's own. */
  list(
    workspaceId: string | undefined,
    query: { readonly below?: number | undefined; readonly limit: number },
  ): Promise<readonly AuditEntry[]>;
}

/** The hash before the first entry. */
export const FIRST_HASH = "0".repeat(64);

/** What an entry's hash is taken of: JSON of an array, so that nothing can be moved from one member to another. */
export function sealedText(before: string, number: number, entry: NewAuditEntry): string {
  const { workspaceId, atMs, actor, action, requestId, target, members, digest } = entry;
  const targets = Object.entries(target).sort(([one], [other]) => (one < other ? -1 : 1));
  return JSON.stringify([
    before,
    number,
    workspaceId ?? null,
    atMs,
    actor,
    action,
    requestId ?? null,
    targets,
    members,
    digest ?? null,
  ]);
}

export interface AuditVerdict {
  readonly entries: number;
  /** Number of the first entry that is not what was written, or does not follow the one before; undefined: all is well. */
  readonly brokenAt: number | undefined;
  /** Of the newest entry: somebody who kept it notices a trail that was cut off or made anew. */
  readonly head: string;
}

/** Reads the whole trail, page by page. */
export async function verifyAudit(
  store: AuditStore,
  workspaceId: Scope["workspaceId"] | undefined,
  sha256Hex: (text: string) => string,
): Promise<AuditVerdict> {
  const entries: AuditEntry[] = [];
  let below: number | undefined;
  for (;;) {
    const page = await store.list(workspaceId, { below, limit: PAGE });
    entries.push(...page);
    below = page.at(-1)?.number;
    if (page.length < PAGE) break;
  }
  let before = FIRST_HASH;
  for (const [index, entry] of entries.toReversed().entries()) {
    const number = index + 1;
    const isWhole = entry.number === number && entry.hash === sha256Hex(sealedText(before, number, entry));
    if (!isWhole) return { entries: entries.length, brokenAt: number, head: before };
    before = entry.hash;
  }
  return { entries: entries.length, brokenAt: undefined, head: before };
}

const PAGE = 500;
