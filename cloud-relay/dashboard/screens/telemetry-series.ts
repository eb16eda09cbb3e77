// From samples and gaps to what a chart draws: a line that breaks wherever nothing good is known.
import { instantOfSample, type Timed } from "../api/sample-windows.ts";

export interface ChartSample extends Timed {
  readonly value: unknown;
  readonly quality: string;
}

export interface ChartGap {
  readonly id: string;
  readonly reason: string;
  readonly from: string | null;
  readonly to: string;
}

/** An interval in which the line is no answer, in ms. */
export interface Band {
  readonly kind: "gap" | "bad";
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Series {
  /** Seconds, ascending: what the chart takes. */
  readonly xs: readonly number[];
  /** null breaks the line. */
  readonly ys: readonly (number | null)[];
  readonly bands: readonly Band[];
  /** Samples that cannot be drawn: texts, lists. */
  readonly undrawn: number;
}

const SPECIAL: Readonly<Record<string, number>> = { true: 1, false: 0 };

/** Numbers, truth values, and numbers in text (64-bit ones); undefined of anything else. */
export function drawnValue(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value !== "string" || value.trim() === "") return undefined;
  const number = SPECIAL[value] ?? Number(value);
  return Number.isFinite(number) ? number : undefined;
}

/** `fromMs`, `toMs`: what is shown; gaps are cut to it. Samples in any order. */
export function seriesOf(
  samples: readonly ChartSample[],
  gaps: readonly ChartGap[],
  fromMs: number,
  toMs: number,
): Series {
  const points = pointsOf(samples);
  const gapBands = gaps.map((gap) => bandOf(gap, fromMs, toMs)).filter((band) => band !== undefined);
  // A break of its own where a gap begins, so that the line is not drawn across it from sample to sample.
  for (const band of gapBands) points.push({ ms: band.fromMs + 0.5, value: null });
  points.sort((a, b) => a.ms - b.ms);
  return {
    xs: points.map(({ ms }) => ms / 1_000),
    ys: points.map(({ value }) => value ?? null),
    bands: [...gapBands, ...badBands(points, toMs)],
    undrawn: points.filter(({ value }) => value === undefined).length,
  };
}

interface Point {
  readonly ms: number;
  /** null: bad, or a break; undefined: cannot be drawn. */
  readonly value: number | null | undefined;
  readonly isBad?: boolean;
}

function pointsOf(samples: readonly ChartSample[]): Point[] {
  const points: Point[] = [];
  for (const sample of samples) {
    const ms = instantOfSample(sample);
    if (ms === undefined) continue;
    if (sample.quality === "bad") points.push({ ms, value: null, isBad: true });
    else points.push({ ms, value: drawnValue(sample.value) });
  }
  return points;
}

/** A gap without a beginning begins before everything. */
function bandOf(gap: ChartGap, fromMs: number, toMs: number): Band | undefined {
  const begin = Math.max(fromMs, gap.from === null ? fromMs : Date.parse(gap.from));
  const end = Math.min(toMs, Date.parse(gap.to));
  return begin > end ? undefined : { kind: "gap", fromMs: begin, toMs: end };
}

/** Bad quality holds until the next sample that is not bad. */
function badBands(points: readonly Point[], toMs: number): Band[] {
  const bands: Band[] = [];
  let since: number | undefined;
  for (const { ms, value, isBad } of points) {
    if (isBad === true) since ??= ms;
    else if (since !== undefined && value !== null) {
      bands.push({ kind: "bad", fromMs: since, toMs: ms });
      since = undefined;
    }
  }
  if (since !== undefined) bands.push({ kind: "bad", fromMs: since, toMs: Math.max(since, toMs) });
  return bands;
}
