// Records' answers by revision: what a revision looks like never changes, so a page of records that were read before is
// put together from their texts, and the store is asked for revisions only.
import type { Reader, RecordQuery, Revision, Scope } from "#relay/core/store.ts";
import { recordText } from "./record-text.ts";

/** All texts together. */
const MAX_BYTES = 64 * 1024 * 1024;
/** A longer text is not kept. */
const MAX_TEXT_BYTES = 64 * 1024;

export interface RecordPage {
  /** JSON texts in UTF-8, in revision order. Encoded once: pages are copied together from them. */
  readonly texts: readonly Buffer[];
  readonly lastRevision: Revision | undefined;
  /** There was more than `limit`. */
  readonly hasMore: boolean;
}

export class RecordCache {
  readonly #maxBytes: number;
  /** By workspace, because a store may count revisions per workspace. Oldest first. */
  readonly #texts = new Map<string, Map<Revision, Buffer>>();
  #bytes = 0;

  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** The page of the query; `query.limit` is what is shown, one more is looked for. */
  async page(reader: Reader, scope: Scope, query: RecordQuery): Promise<RecordPage> {
    const wanted = { ...query, limit: query.limit + 1 };
    const revisions = await reader.listRevisions?.(scope, wanted);
    const kept = revisions === undefined ? undefined : this.#kept(scope.workspaceId, revisions, query.limit);
    if (revisions !== undefined && kept !== undefined) {
      return {
        texts: kept,
        lastRevision: revisions[kept.length - 1],
        hasMore: revisions.length > query.limit,
      };
    }
    const found = await reader.listRecords(scope, wanted);
    const records = found.slice(0, query.limit);
    const texts = records.map((record) => {
      const text = Buffer.from(recordText(record));
      this.#keep(scope.workspaceId, record.revision, text);
      return text;
    });
    return { texts, lastRevision: records.at(-1)?.revision, hasMore: found.length > query.limit };
  }

  /** All of them, or undefined when one is missing. */
  #kept(workspaceId: string, revisions: readonly Revision[], limit: number): readonly Buffer[] | undefined {
    const own = this.#texts.get(workspaceId);
    const texts: Buffer[] = [];
    for (let index = 0; index < revisions.length && index < limit; index += 1) {
      const text = own?.get(revisions[index] ?? 0);
      if (text === undefined) return undefined;
      texts.push(text);
    }
    return texts;
  }

  #keep(workspaceId: string, revision: Revision, text: Buffer): void {
    if (text.length > MAX_TEXT_BYTES) return;
    if (this.#bytes + text.length > this.#maxBytes) this.#forgetHalf();
    const own = this.#texts.get(workspaceId) ?? new Map<Revision, Buffer>();
    if (own.has(revision)) return;
    this.#texts.set(workspaceId, own.set(revision, text));
    this.#bytes += text.length;
  }

  /** The half of each workspace that was kept first. */
  #forgetHalf(): void {
    for (const [workspaceId, own] of this.#texts) {
      let left = Math.ceil(own.size / 2);
      for (const [revision, text] of own) {
        if (left === 0) break;
        left -= 1;
        own.delete(revision);
        this.#bytes -= text.length;
      }
      if (own.size === 0) this.#texts.delete(workspaceId);
    }
  }
}
