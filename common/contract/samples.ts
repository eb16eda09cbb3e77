// The body of a samples batch: one JSON document, points named once, samples as tuples.
import { Type, type Static } from "typebox";

/**
 * `[point, value, status, source_ms, server_ms]`: index into `points`; JSON value (64-bit integers as decimal text);
 * OPC UA status code (0 = good); both timestamps in ms since the Unix epoch, fractions down to the microsecond, null if none.
 */
export const SampleTuple = Type.Tuple([
  Type.Integer({ minimum: 0 }),
  Type.Unknown(),
  Type.Integer({ minimum: 0, maximum: 4_294_967_295 }),
  Type.Union([Type.Number(), Type.Null()]),
  Type.Union([Type.Number(), Type.Null()]),
]);
export type SampleTuple = [
  point: number,
  value: unknown,
  status: number,
  sourceMs: number | null,
  serverMs: number | null,
];

export const SamplesBody = Type.Object({
  points: Type.Array(Type.String({ minLength: 1, maxLength: 4_000 }), { maxItems: 10_000 }),
  samples: Type.Array(SampleTuple, { maxItems: 10_000 }),
  /** Set on samples read from the source's history after an outage. */
  backfilled: Type.Optional(Type.Boolean()),
});
export type SamplesBody = Static<typeof SamplesBody>;

/** The two top bits of an OPC UA status code (OPC 10000-4, 7.39): 00 good, 01 uncertain, 1x bad. */
export function qualityOf(status: number): "good" | "uncertain" | "bad" {
  const severity = status >>> 30;
  return severity === 0 ? "good" : severity === 1 ? "uncertain" : "bad";
}
