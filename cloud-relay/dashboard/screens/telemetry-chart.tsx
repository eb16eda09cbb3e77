// The chart itself: uPlot with the theme's colours, gaps and bad quality as bands behind a line that breaks there.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { exactTime } from "../parts/text.ts";
import { theme } from "../theme.ts";
import { timeMarks } from "./telemetry-axis.ts";
import type { Band, Series } from "./telemetry-series.ts";
import { valueText } from "./telemetry-value.ts";

const HEIGHT_PX = 320;
const SMALL_HEIGHT_PX = 220;
const SMALL_WIDTH_PX = 500;
/** A gap of an instant is still seen. */
const LEAST_BAND_PX = 2;

export function TelemetryChart(props: {
  readonly series: Series;
  readonly fromMs: number;
  readonly toMs: number;
  /** Of the value, such as `bar`; shown beside the axis. */
  readonly unit: string | null;
  readonly label: string;
}) {
  const { series, fromMs, toMs, unit, label } = props;
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | undefined>(undefined);
  const shown = useRef(props);
  shown.current = props;

  useEffect(() => {
    const element = host.current;
    if (element === null) return undefined;
    const made = new uPlot(
      optionsOf(element, unit, () => shown.current),
      dataOf(shown.current.series),
      element,
    );
    chart.current = made;
    const observer = new ResizeObserver(() => made.setSize(sizeOf(element)));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      chart.current = undefined;
    };
  }, [unit, theme.value]);
  useEffect(() => chart.current?.setData(dataOf(series)), [series, fromMs, toMs]);

  return <div ref={host} class="chart" role="img" aria-label={label} />;
}

function dataOf({ xs, ys }: Series): uPlot.AlignedData {
  return [[...xs], [...ys]];
}

function sizeOf(element: HTMLElement): Pick<uPlot.Options, "width" | "height"> {
  const width = element.clientWidth;
  return { width, height: width < SMALL_WIDTH_PX ? SMALL_HEIGHT_PX : HEIGHT_PX };
}

interface Shown {
  readonly series: Series;
  readonly fromMs: number;
  readonly toMs: number;
}

function optionsOf(element: HTMLElement, unit: string | null, shown: () => Shown): uPlot.Options {
  const colour = colours(element);
  const axis: uPlot.Axis = {
    stroke: colour("--muted"),
    grid: { stroke: colour("--border"), width: 1 },
    ticks: { stroke: colour("--border"), width: 1 },
    font: `11px ${colour("--font")}`,
  };
  return {
    ...sizeOf(element),
    scales: { x: { range: () => [shown().fromMs / 1_000, shown().toMs / 1_000] } },
    // Nothing is drawn across what is not known.
    series: [
      { label: "At", value: (_, atS) => (atS == null ? "–" : exactTime(atS * 1_000)) },
      {
        label: "Value",
        value: (_, value) => (value == null ? "–" : valueText(value, unit)),
        stroke: colour("--accent"),
        width: 1.5,
        spanGaps: false,
        points: { size: 4 },
      },
    ],
    axes: [
      { ...axis, values: (_, splits, __, ___, stepS) => [...timeMarks(splits, stepS)] },
      { ...axis, size: 64, ...(unit !== null && { label: unit, labelSize: 20, labelFont: axis.font }) },
    ],
    legend: { live: true },
    hooks: { drawClear: [(plot) => drawBands(plot, shown().series.bands, colour)] },
  };
}

function drawBands(plot: uPlot, bands: readonly Band[], colour: (name: string) => string): void {
  const { ctx, bbox } = plot;
  ctx.save();
  for (const { kind, fromMs, toMs } of bands) {
    const left = Math.max(bbox.left, plot.valToPos(fromMs / 1_000, "x", true));
    const right = Math.min(bbox.left + bbox.width, plot.valToPos(toMs / 1_000, "x", true));
    if (right < bbox.left || left > bbox.left + bbox.width) continue;
    const width = Math.max(LEAST_BAND_PX, right - left);
    ctx.fillStyle = colour(kind === "gap" ? "--warn-soft" : "--bad-soft");
    ctx.fillRect(left, bbox.top, width, bbox.height);
    // An edge too: soft colours alone are hard to tell apart.
    ctx.fillStyle = colour(kind === "gap" ? "--warn" : "--bad");
    ctx.fillRect(left, bbox.top, width, LEAST_BAND_PX);
  }
  ctx.restore();
}

/** A canvas knows no custom properties and no light-dark(): the browser works them out on an element. */
function colours(element: HTMLElement): (name: string) => string {
  const known = new Map<string, string>();
  return (name) => {
    let value = known.get(name);
    if (value === undefined) {
      const style = getComputedStyle(element);
      if (name === "--font") value = style.fontFamily;
      else {
        element.style.color = `var(${name})`;
        value = getComputedStyle(element).color;
        element.style.removeProperty("color");
      }
      known.set(name, value);
    }
    return value;
  };
}
