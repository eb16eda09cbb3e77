// Source rows → unified entries: map, hash, drop what is unchanged. Decides nothing about when, only about what.
import type { Cause, Entry, Origin } from "#common/contract/entry.ts";
import { entryText } from "#common/contract/entry.ts";
import type { Presence } from "#common/contract/model/entities.ts";
import { MAX_RECORD_BYTES } from "#common/contract/limits.ts";
import { mappedRow, type MappedRow, type Vanished } from "../mapping/mapping.ts";
import { canonicalKey, type KeyRule } from "../source/key-rules.ts";
import type { SourceKey, SourceRow } from "../source/connector.ts";
import type { BatchAssembler } from "./batch-assembler.ts";
import type { KnownRecord, RoomStore } from "./room-store.ts";
import type { WriteMarks } from "./write-marks.ts";

/** What one entity's rows need on their way through. */
export interface PipelineEntity {
  readonly entity: string;
  readonly keyRules: readonly KeyRule[];
  readonly map: (row: SourceRow) => MappedRow;
  /** What it means that a row is gone; absent: it was deleted. */
  readonly vanished?: Vanished;
}

export interface PipelineDeps {
  readonly store: Pick<RoomStore, "known">;
  /** First 128 bits of SHA-256, base64url (22 characters). */
  readonly hash: (text: string) => string;
  readonly nowMs: () => number;
  /** How many rows became records, and how many could not. */
  readonly mapped?: ((accepted: number, rejected: number) => void) | undefined;
  /** A record goes out; bytes of JSON, about: a UTF-16 unit counts as one. */
  readonly sent?: ((entity: string, bytes: number, rawBytes: number) => void) | undefined;
  readonly marks?: Pick<WriteMarks, "causeOf"> | undefined;
}

/** How the rows were read. */
export interface PipelinePass {
  readonly origin: Origin;
  /** Written as `seen` of every record that is touched. */
  readonly generation: number;
  /** Whether unchanged records are marked as seen as well (passes that sweep afterwards). */
  readonly marksSeen: boolean;
}

/** What became of the rows: to be committed together with the entries and the cursor. */
export interface PipelineResult {
  readonly known: readonly KnownRecord[];
  readonly forgotten: readonly string[];
  readonly changed: number;
  readonly deleted: number;
  readonly rejected: number;
  /** By how much this changes the number of known records. */
  readonly knownGrowth: number;
}

/** Hash kept for a key that could not become a record, so that it is reported once and not at every poll. */
export const REJECTED_HASH = "";

export class ChangePipeline {
  readonly #deps: PipelineDeps;

  constructor(deps: PipelineDeps) {
    this.#deps = deps;
  }

  /** Adds the entries of all rows that changed something to the assembler. Rows of one key keep their order. */
  process(
    target: PipelineEntity,
    rows: readonly SourceRow[],
    pass: PipelinePass,
    assembler: BatchAssembler,
  ): PipelineResult {
    const keys = rows.map((row) => canonicalKey(row.key, target.keyRules));
    const step = new Step(this.#deps, target, pass, assembler, keys);
    rows.forEach((row, index) => step.take(row, keys[index] ?? "", index));
    const result = step.result();
    if (rows.length > 0) this.#deps.mapped?.(rows.length - result.rejected, result.rejected);
    return result;
  }

  /** Delete entries for keys whose absence is certain, or that the relay is not to see any more. */
  processDeletes(
    { entity, vanished = "deleted" }: { readonly entity: string; readonly vanished?: Presence },
    keys: readonly string[],
    origin: Origin,
    assembler: BatchAssembler,
  ): void {
    const readMs = this.#deps.nowMs();
    for (const key of keys) {
      const header = {
        op: "delete",
        entity,
        key,
        presence: vanished,
        reason: "reconcile",
        origin,
        ...causePart(this.#deps, entity, key),
        read_ms: readMs,
      } as const;
      assembler.add(entryText({ header }));
    }
  }
}

/** One call of `process`: known records as they were, overlaid with what this call has done. */
class Step {
  readonly #deps: PipelineDeps;
  readonly #target: PipelineEntity;
  readonly #pass: PipelinePass;
  readonly #assembler: BatchAssembler;
  readonly #before: readonly (KnownRecord | undefined)[];
  /** Outcome per key; `undefined` = forgotten. */
  readonly #after = new Map<string, KnownRecord | undefined>();
  readonly #readMs: number;
  #changed = 0;
  #deleted = 0;
  #rejected = 0;
  #growth = 0;

  constructor(
    deps: PipelineDeps,
    target: PipelineEntity,
    pass: PipelinePass,
    assembler: BatchAssembler,
    keys: readonly string[],
  ) {
    this.#deps = deps;
    this.#target = target;
    this.#pass = pass;
    this.#assembler = assembler;
    this.#before = deps.store.known(target.entity, keys);
    this.#readMs = deps.nowMs();
  }

  take(row: SourceRow, key: string, index: number): void {
    const known = this.#after.has(key) ? this.#after.get(key) : this.#before[index];
    if (row.op === "delete") {
      this.#delete(key, known, row.reason ?? "tombstone");
      return;
    }
    const mapped = mappedRow(row, this.#target.map);
    if (!mapped.ok) this.#reject(key, known, mapped.code, mapped.detail, row.version);
    else if (mapped.isDeleted) this.#delete(key, known, "flag");
    else this.#upsert(key, known, row, mapped.record, mapped.raw);
  }

  result(): PipelineResult {
    const known: KnownRecord[] = [];
    const forgotten: string[] = [];
    for (const [key, record] of this.#after) {
      if (record === undefined) forgotten.push(key);
      else known.push(record);
    }
    return {
      known,
      forgotten,
      changed: this.#changed,
      deleted: this.#deleted,
      rejected: this.#rejected,
      knownGrowth: this.#growth,
    };
  }

  #upsert(
    key: string,
    known: KnownRecord | undefined,
    row: SourceRow,
    record: string,
    raw: string | undefined,
  ): void {
    const size = utf8Bytes(record) + (raw === undefined ? 0 : utf8Bytes(raw));
    if (size > MAX_RECORD_BYTES) {
      const detail = `record of ${size} bytes is over the limit of ${MAX_RECORD_BYTES}; hide its largest column or leave raw out`;
      this.#reject(key, known, "RECORD_TOO_LARGE", detail, row.version);
      return;
    }
    const hash = this.#deps.hash(raw === undefined ? record : `${record}\n${raw}`);
    if (known?.hash === hash) {
      if (this.#pass.marksSeen) this.#remember(key, known, hash, row.version);
      return;
    }
    const header = {
      op: "upsert",
      entity: this.#target.entity,
      key,
      hash,
      ...(row.version === undefined ? {} : { version: row.version }),
      origin: this.#pass.origin,
      ...causePart(this.#deps, this.#target.entity, key, record),
      read_ms: this.#readMs,
      ...(raw === undefined ? {} : { raw: true }),
    } as const;
    this.#assembler.add(entryText({ header, record, ...(raw === undefined ? {} : { raw }) } satisfies Entry));
    this.#changed += 1;
    this.#deps.sent?.(this.#target.entity, record.length, raw?.length ?? 0);
    this.#remember(key, known, hash, row.version);
  }

  #delete(key: string, known: KnownRecord | undefined, reason: "tombstone" | "flag"): void {
    if (known === undefined) return;
    const { entity, vanished = "deleted" } = this.#target;
    const { origin } = this.#pass;
    const header = {
      op: "delete",
      entity,
      key,
      presence: reason === "flag" ? "deleted" : vanished,
      reason,
      origin,
      ...causePart(this.#deps, entity, key),
      read_ms: this.#readMs,
    } as const;
    this.#assembler.add(entryText({ header }));
    this.#deleted += 1;
    this.#growth -= 1;
    this.#after.set(key, undefined);
  }

  #reject(
    key: string,
    known: KnownRecord | undefined,
    code: string,
    detail: string,
    version: string | undefined,
  ): void {
    this.#rejected += 1;
    if (known?.hash === REJECTED_HASH) {
      if (this.#pass.marksSeen) this.#remember(key, known, REJECTED_HASH, version);
      return;
    }
    const header = {
      op: "reject",
      entity: this.#target.entity,
      key,
      code,
      detail: detail.slice(0, 2_000),
      read_ms: this.#readMs,
    } as const;
    this.#assembler.add(entryText({ header }));
    this.#remember(key, known, REJECTED_HASH, version);
  }

  #remember(key: string, known: KnownRecord | undefined, hash: string, version: string | undefined): void {
    if (known === undefined) this.#growth += 1;
    this.#after.set(key, { key, hash, version, seen: this.#pass.generation });
  }
}

function causePart(
  { marks }: PipelineDeps,
  entity: string,
  key: string,
  record?: string,
): { readonly cause?: Cause } {
  const cause = marks?.causeOf(entity, key, record);
  return cause === undefined ? {} : { cause };
}

/** UTF-8 length, exact only where it can matter: a UTF-16 unit takes three bytes at most. */
function utf8Bytes(text: string): number {
  return text.length * 3 <= MAX_RECORD_BYTES / 2 ? text.length : new TextEncoder().encode(text).length;
}

/** Keys as the source gave them, for point reads; the canonical text cannot be turned back. */
export function pointKey(canonical: string): SourceKey {
  return JSON.parse(canonical) as SourceKey;
}
