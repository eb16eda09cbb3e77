// A write to a sandbox, carried out as a plant would, up to the point where it would be kept: nothing of it is.
import type { WriteAnswer, WriteBody } from "#common/contract/commands.ts";
import type { WriteDescription } from "#common/contract/description.ts";
import { isEntity, type Entity } from "#common/contract/model/entities.ts";
import { SandboxFailure } from "./command-failure.ts";
import type { Fields } from "./plant-book.ts";
import { OFFERS } from "./sandbox-offers.ts";
import { nativeStatus, sourceRecord, versionAt } from "./sandbox-product.ts";
import { ruled } from "./sandbox-rules.ts";
import type { SandboxSource, SourceRow } from "./sandbox-source.ts";
import { lookedUp, merged } from "./written-values.ts";

export interface WriteContext {
  readonly source: SandboxSource;
  readonly body: WriteBody;
  readonly commandId: string;
  readonly nowMs: number;
}

/** @throws SandboxFailure NOT_WRITABLE, NOT_ALLOWED */
export function offeredWrite({ entity, operation }: WriteBody): WriteDescription {
  const offers = isEntity(entity) ? (OFFERS[entity] ?? []) : [];
  const offer = offers.find((one) => one.operation === operation);
  if (offer === undefined) {
    throw new SandboxFailure("NOT_WRITABLE", `this connection has no operation ${operation} for ${entity}`);
  }
  if (offer.policy === "refuse") {
    throw new SandboxFailure("NOT_ALLOWED", offer.reason ?? "the plant does not allow it");
  }
  return offer;
}

/** What it is written to. @throws SandboxFailure NOT_FOUND, VERSION_CONFLICT */
export async function writtenRow({ source, body }: WriteContext): Promise<SourceRow | undefined> {
  if (body.key === undefined) return undefined;
  const row = await source.byKey(body.entity, body.key);
  if (row === undefined) throw new SandboxFailure("NOT_FOUND", "the source has no such record (any more)");
  if (body.if_version !== undefined && body.if_version !== row.version) throw versionConflict(row);
  return row;
}

export function versionConflict({ key, record, version }: SourceRow): SandboxFailure {
  const result: WriteAnswer = { ...PLAIN, key, record, ...(version === undefined ? {} : { version }) };
  const detail =
    "Somebody changed the record meanwhile; nothing was written. `current` is how it stands: decide anew.";
  return new SandboxFailure("VERSION_CONFLICT", detail, { result });
}

/** Nothing is kept, so every answer is one of a dry run. */
const PLAIN = { is_repeat: false, is_pending: false, is_dry: true };

/** The record as it would be. @throws SandboxFailure INVALID_VALUES, REFUSED_BY_SOURCE */
export async function imagine(
  context: WriteContext,
  offer: WriteDescription,
  row: SourceRow | undefined,
): Promise<WriteAnswer> {
  const { source, body, nowMs } = context;
  const entity = body.entity as Entity;
  const values = await lookedUp(source, offer, body.values);
  const ruling = await ruled({
    source,
    entity,
    operation: body.operation,
    record: row?.record,
    values,
    nowMs,
  });
  const outputs = ruling.outputs === undefined ? {} : { outputs: { ...ruling.outputs } };
  if (row === undefined) return { ...PLAIN, ...created(context, entity, offer, ruling.values), ...outputs };
  const lists = (offer.children ?? []).map(({ name }) => name);
  const next = ruling.finish(merged(row.record, ruling.values, lists));
  const { status } = next;
  const stamped = {
    ...next,
    ...(status === undefined ? {} : { native_status: nativeStatus(status) }),
    remote_updated_at: new Date(nowMs).toISOString(),
  };
  return { ...PLAIN, key: row.key, record: stamped, version: versionAt(nowMs), ...outputs };

  function created(
    { commandId }: WriteContext,
    ofEntity: Entity,
    { children = [] }: WriteDescription,
    given: Fields,
  ): Pick<WriteAnswer, "key" | "record" | "version"> {
    const number = `${ruling.prefix ?? "NEW"}-S${commandId.slice(-8).toUpperCase()}`;
    const rows = merged(
      {},
      given,
      children.map(({ name }) => name),
    );
    const fields = ruling.finish({
      ...ruling.defaults,
      ...rows,
      ...(ruling.numberField === undefined ? {} : { [ruling.numberField]: number }),
    });
    const made = sourceRecord({ entity: ofEntity, number, fields, createdAtMs: nowMs, changedAtMs: nowMs });
    return { key: made.key, record: made.record, version: made.version };
  }
}
