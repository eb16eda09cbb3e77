// Telemetry of the sandbox's machines: points, and their values as a function of time.
import type { SampleTuple } from "#common/contract/samples.ts";
import { Dice } from "./dice.ts";
import { DAY_MS, HOUR_MS, type PlantBook } from "./plant-book.ts";
import type { Machine } from "./sample-assets.ts";

export interface Point {
  readonly number: string;
  readonly low: number;
  readonly high: number;
  /** Whether it follows the shifts of the day. */
  readonly isBusy: boolean;
  readonly isFlag: boolean;
}

export const SAMPLE_EVERY_MS = 300_000;
/** How far back the first samples go. */
export const HISTORY_MS = DAY_MS;
/** The line to the machines was cut for half an hour; so long before the plant's beginning. */
const CUT_BEFORE_MS = 7 * HOUR_MS;
const CUT_FOR_MS = HOUR_MS / 2;
/** OPC UA status codes. */
const GOOD = 0;
const UNCERTAIN = 0x40_00_00_00;
const BAD = 0x80_00_00_00;
const QUALITY_SHARE = 0.01;

const SENSORS = [
  {
    name: "Temperature",
    uom: "Cel",
    code: "CEL",
    type: "Double",
    low: 18,
    high: 90,
    isBusy: true,
    isFlag: false,
  },
  { name: "Power", uom: "kW", code: "KWT", type: "Double", low: 1, high: 120, isBusy: true, isFlag: false },
  {
    name: "Vibration",
    uom: "mm/s",
    code: null,
    type: "Double",
    low: 0,
    high: 12,
    isBusy: false,
    isFlag: false,
  },
  { name: "Running", uom: null, code: null, type: "Boolean", low: 0, high: 1, isBusy: true, isFlag: true },
];
/** Every so many machines are measured. */
const EVERY = 4;

export function addTelemetry(book: PlantBook, machines: readonly Machine[]): readonly Point[] {
  return machines
    .filter((_, at) => at % EVERY === 0)
    .flatMap((machine) => SENSORS.map((sensor) => addPoint(book, machine, sensor)));
}

function addPoint(book: PlantBook, { tag, name }: Machine, sensor: (typeof SENSORS)[number]): Point {
  const number = `ns=2;s=${tag}.${sensor.name}`;
  const atMs = book.ago(600);
  book.add({
    entity: "telemetry_point",
    number,
    createdAtMs: atMs,
    changedAtMs: atMs,
    fields: {
      name: `${tag}.${sensor.name}`,
      description: `${sensor.name} of ${name}`,
      node_id: number,
      namespace_uri: "urn:sandbox:plant",
      browse_path: `Plant/${tag}/${sensor.name}`,
      asset: book.ref("asset", tag, name),
      data_type: sensor.type,
      uom: sensor.uom,
      uom_code: sensor.code,
      range_low: String(sensor.low),
      range_high: String(sensor.high),
      sampling_ms: SAMPLE_EVERY_MS,
      queue_size: 10,
      deadband: sensor.isFlag ? null : "0.1",
      writable: false,
      historizing: true,
      mode: "subscribed",
      custom_fields: {},
    },
  });
  const { low, high, isBusy, isFlag } = sensor;
  return { number, low, high, isBusy, isFlag };
}

/** The value at one instant: the same whenever it is asked for. */
export function sampleAt(point: Point, index: number, atMs: number): SampleTuple {
  const dice = new Dice(`${point.number}/${Math.floor(atMs / SAMPLE_EVERY_MS)}`);
  const { low, high } = point;
  const hour = (atMs % DAY_MS) / HOUR_MS;
  const load = point.isBusy ? (hour > 5 && hour < 22 ? 0.7 : 0.15) : 0.35;
  const wave = 0.12 * Math.sin((hour / 24) * 2 * Math.PI * 3);
  const share = Math.min(1, Math.max(0, load + wave + (dice.next() - 0.5) * 0.08));
  const throwOf = dice.next();
  const status = throwOf < QUALITY_SHARE ? BAD : throwOf < 2 * QUALITY_SHARE ? UNCERTAIN : GOOD;
  const measured = Math.round((low + (high - low) * share) * 100) / 100;
  const value = status === BAD ? null : point.isFlag ? share > 0.4 : measured;
  return [index, value, status, atMs, atMs + 40];
}

/** The interval in which nothing was measured. */
export function cutOf(beginMs: number): { readonly fromMs: number; readonly toMs: number } {
  return { fromMs: beginMs - CUT_BEFORE_MS, toMs: beginMs - CUT_BEFORE_MS + CUT_FOR_MS };
}

/** After `fromMs` up to `toMs`, all points, in order of time; `skip` is left out. */
export function samplesBetween(
  points: readonly Point[],
  fromMs: number,
  toMs: number,
  skip: { readonly fromMs: number; readonly toMs: number } | undefined,
): readonly SampleTuple[] {
  const samples: SampleTuple[] = [];
  const first = (Math.floor(fromMs / SAMPLE_EVERY_MS) + 1) * SAMPLE_EVERY_MS;
  for (let atMs = first; atMs <= toMs; atMs += SAMPLE_EVERY_MS) {
    if (skip !== undefined && atMs >= skip.fromMs && atMs < skip.toMs) continue;
    for (const [index, point] of points.entries()) samples.push(sampleAt(point, index, atMs));
  }
  return samples;
}
