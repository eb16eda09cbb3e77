// A telemetry point's history over a range, newest first until what a browser draws well is reached; and what came since.
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "./client.ts";
import { instantOfSample, windowsOf } from "./sample-windows.ts";

type Sample = Schema<"Sample">;

export interface History {
  readonly samples: readonly Sample[];
  readonly gaps: readonly Schema<"Gap">[];
  /** What is shown begins here, ms; later than asked when there was too much. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly isCut: boolean;
}

export const MAX_DRAWN_SAMPLES = 20_000;
const PAGE_SAMPLES = 1_000;
/** A plant's clock may be ahead of the reader's. */
const CLOCK_SLACK_MS = 60_000;

/** @throws ApiError */
export async function loadHistory(
  id: string,
  fromMs: number,
  toMs: number,
  signal: AbortSignal,
): Promise<History> {
  const pages: (readonly Sample[])[] = [];
  const gaps = new Map<string, Schema<"Gap">>();
  let count = 0;
  let beginMs = toMs;
  for (const [windowFromMs, windowToMs] of windowsOf(fromMs, toMs)) {
    if (count >= MAX_DRAWN_SAMPLES) break;
    const found = await loadWindow(id, windowFromMs, windowToMs, signal);
    for (const gap of found.gaps) gaps.set(gap.id, gap);
    pages.unshift(found.samples);
    count += found.samples.length;
    beginMs = windowFromMs;
  }
  return { samples: pages.flat(), gaps: [...gaps.values()], fromMs: beginMs, toMs, isCut: beginMs > fromMs };
}

/** What came after it was read; gaps are recorded late, so those of the whole range are asked for. @throws ApiError */
export async function appended(
  id: string,
  before: History,
  nowMs: number,
  signal: AbortSignal,
): Promise<History> {
  const spanMs = before.toMs - before.fromMs;
  const last = before.samples.at(-1);
  const lastMs = last === undefined ? undefined : instantOfSample(last);
  const sinceMs = lastMs === undefined ? before.fromMs : lastMs + 1;
  const { samples, gaps } = await loadWindow(id, sinceMs, nowMs + CLOCK_SLACK_MS, signal);
  const fromMs = nowMs - spanMs;
  const all = new Map([...before.gaps, ...gaps].map((gap) => [gap.id, gap]));
  return {
    samples: [...before.samples, ...samples].slice(-MAX_DRAWN_SAMPLES),
    gaps: [...all.values()].filter((gap) => Date.parse(gap.to) >= fromMs),
    fromMs,
    toMs: nowMs,
    isCut: before.isCut,
  };
}

/** From the first instant on, up to before the last; the API's own bounds are exclusive, and finer than a millisecond. */
async function loadWindow(id: string, fromMs: number, toMs: number, signal: AbortSignal) {
  const samples: Sample[] = [];
  const gaps: Schema<"Gap">[] = [];
  let cursor: string | undefined;
  do {
    const page = await unwrap(
      api.GET("/v1/telemetry-points/{id}/samples", {
        params: {
          path: { id },
          query: {
            limit: PAGE_SAMPLES,
            after: new Date(fromMs - 1).toISOString(),
            before: new Date(toMs).toISOString(),
            ...(cursor !== undefined && { cursor }),
          },
        },
        signal,
      }),
    );
    samples.push(...page.data.filter((sample) => (instantOfSample(sample) ?? 0) >= fromMs));
    gaps.push(...page.gaps);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined && samples.length < MAX_DRAWN_SAMPLES);
  return { samples, gaps };
}
