// One telemetry point: its samples as a line over the range in the address, with gaps as gaps, going on live.
import { useEffect, useMemo, useState } from "preact/hooks";
import type { ComponentType } from "preact";
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { problemOf, type ProblemView } from "../api/problem.ts";
import { useResource } from "../api/resource.ts";
import { appended, loadHistory, MAX_DRAWN_SAMPLES, type History } from "../api/samples.ts";
import { Badge } from "../parts/badge.tsx";
import { ConnectionLink } from "../parts/connection-link.tsx";
import { Icon } from "../parts/icon.tsx";
import { KeyValue } from "../parts/key-value.tsx";
import { EmptyState, ProblemNotice } from "../parts/notice.tsx";
import { Card, Page } from "../parts/page.tsx";
import { useQuery } from "../parts/query.ts";
import { wordsOf } from "../parts/status.ts";
import { Tabs } from "../parts/tabs.tsx";
import { amount, counted, exactTime } from "../parts/text.ts";
import { Time } from "../parts/time.tsx";
import { to } from "../paths.ts";
import type { ScreenProps } from "../screens.ts";
import "./telemetry.css";
import type { TelemetryChart } from "./telemetry-chart.tsx";
import { seriesOf, type Series } from "./telemetry-series.ts";
import { toneOfQuality, valueText } from "./telemetry-value.ts";
import { NewestValues } from "./telemetry-values.tsx";

type Point = Schema<"TelemetryPoint">;

const LIVE_EVERY_MS = 2_000;
const MINUTE_MS = 60_000;
const MAX_LISTED_GAPS = 20;
/** `range` in the address. */
const RANGES: readonly { readonly range: string; readonly title: string; readonly ms: number }[] = [
  { range: "15m", title: "15 min", ms: 15 * MINUTE_MS },
  { range: "", title: "1 h", ms: 60 * MINUTE_MS },
  { range: "6h", title: "6 h", ms: 360 * MINUTE_MS },
  { range: "24h", title: "24 h", ms: 1_440 * MINUTE_MS },
  { range: "7d", title: "7 d", ms: 10_080 * MINUTE_MS },
];

export function TelemetryPointScreen({ params }: ScreenProps) {
  const id = params["id"] ?? "";
  const query = useQuery();
  const { data: point, problem } = useResource(
    `point ${id}`,
    (signal) => unwrap(api.GET("/v1/telemetry-points/{id}", { params: { path: { id } }, signal })),
    { everyMs: LIVE_EVERY_MS },
  );
  const range = RANGES.find((each) => each.range === query.get("range")) ?? RANGES[1];
  const history = useHistory(id, range?.ms ?? MINUTE_MS);
  const title = point?.name ?? point?.remote_id ?? "Telemetry point";
  return (
    <Page
      title={title}
      back={{ title: "Telemetry", href: to("/telemetry") }}
      beside={point?.last_value != null && <LastValue point={point} />}
    >
      {problem !== undefined && <ProblemNotice problem={problem} />}
      {history.problem !== undefined && <ProblemNotice problem={history.problem} />}
      <Tabs
        label="Range"
        tabs={RANGES.map((each) => ({
          title: each.title,
          href: query.href({ range: each.range }),
          isCurrent: each === range,
        }))}
      />
      <Chart history={history.data} unit={point?.uom ?? null} title={title} />
      {history.data !== undefined && history.data.gaps.length > 0 && <Gaps gaps={history.data.gaps} />}
      {history.data !== undefined && (
        <NewestValues samples={history.data.samples} unit={point?.uom ?? null} />
      )}
      {point !== undefined && <Facts point={point} />}
    </Page>
  );
}

/** The range is read once, then what is new is added: a day of samples is not fetched every two seconds. */
function useHistory(id: string, rangeMs: number) {
  const [state, setState] = useState<{ readonly data?: History; readonly problem?: ProblemView }>({});
  useEffect(() => {
    const gone = new AbortController();
    let current: History | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async (): Promise<void> => {
      try {
        const nowMs = Date.now();
        if (current === undefined) current = await loadHistory(id, nowMs - rangeMs, nowMs, gone.signal);
        else if (document.visibilityState === "visible")
          current = await appended(id, current, nowMs, gone.signal);
        if (!gone.signal.aborted) setState({ data: current });
      } catch (error) {
        if (!gone.signal.aborted) setState((before) => ({ ...before, problem: problemOf(error) }));
      }
      if (!gone.signal.aborted) timer = setTimeout(() => void look(), LIVE_EVERY_MS);
    };
    setState({});
    void look();
    return () => {
      gone.abort();
      clearTimeout(timer);
    };
  }, [id, rangeMs]);
  return state;
}

function LastValue({ point }: { readonly point: Point }) {
  const { last_value: last, uom } = point;
  if (last === null) return null;
  return (
    <span class="row wrap">
      <strong class="number">{valueText(last.value, uom)}</strong>
      <Badge tone={toneOfQuality(last.quality)}>{wordsOf(last.quality)}</Badge>
      <span class="muted small">
        <Time at={last.source_timestamp ?? last.server_timestamp} />
      </span>
    </span>
  );
}

type ChartComponent = typeof TelemetryChart extends ComponentType<infer Props> ? ComponentType<Props> : never;

function Chart(props: {
  readonly history: History | undefined;
  readonly unit: string | null;
  readonly title: string;
}) {
  const { history, unit, title } = props;
  // The chart's package is fetched when there is something to draw.
  const [Drawn, setDrawn] = useState<{ readonly component: ChartComponent }>();
  useEffect(() => {
    void import("./telemetry-chart.tsx").then((module) => setDrawn({ component: module.TelemetryChart }));
  }, []);
  const series = useMemo(
    () => history && seriesOf(history.samples, history.gaps, history.fromMs, history.toMs),
    [history],
  );
  if (history === undefined || series === undefined || Drawn === undefined)
    return (
      <Card>
        <span class="skeleton" />
      </Card>
    );
  if (history.samples.length === 0 && history.gaps.length === 0)
    return (
      <Card isFlush>
        <EmptyState
          icon="telemetry"
          title="No sample in this range"
          text="A point whose value stays the same reports nothing. Choose a longer range; what it said last stands above."
        />
      </Card>
    );
  if (history.gaps.length === 0 && series.undrawn === history.samples.length)
    return (
      <Card isFlush>
        <EmptyState
          icon="telemetry"
          title="Nothing to draw"
          text="The values of this point are no numbers. What it said stands below."
        />
      </Card>
    );
  const Component = Drawn.component;
  return (
    <Card>
      <div class="stack tight">
        <Component
          series={series}
          fromMs={history.fromMs}
          toMs={history.toMs}
          unit={unit}
          label={describe(title, history, series)}
        />
        <Legend history={history} series={series} />
      </div>
    </Card>
  );
}

function Legend({ history, series }: { readonly history: History; readonly series: Series }) {
  return (
    <div class="row wrap small muted">
      <span>{counted(history.samples.length, "sample")}</span>
      <span class="chart-key" data-kind="gap">
        gap: samples were or may have been lost
      </span>
      <span class="chart-key" data-kind="bad">
        bad quality: the source did not vouch for a value
      </span>
      {series.undrawn > 0 && <span>{amount(series.undrawn)} are no numbers and not drawn</span>}
      {history.isCut && (
        <span>
          The newest {amount(MAX_DRAWN_SAMPLES)} or so are drawn, from {exactTime(history.fromMs)} on
        </span>
      )}
    </div>
  );
}

function Gaps({ gaps }: { readonly gaps: History["gaps"] }) {
  return (
    <Card title={counted(gaps.length, "gap")} isFlush>
      <ul class="attention">
        {gaps
          .slice(-MAX_LISTED_GAPS)
          .toReversed()
          .map((gap) => (
            <li key={gap.id} data-tone="warn">
              <Icon name="warning" />
              <div>
                {wordsOf(gap.reason)}
                <p class="advice">{gap.detail}</p>
              </div>
              <span class="small muted">
                {gap.from === null ? "from the beginning" : <Time at={gap.from} isExact />}
                {" – "}
                <Time at={gap.to} isExact />
              </span>
            </li>
          ))}
      </ul>
    </Card>
  );
}

function Facts({ point }: { readonly point: Point }) {
  return (
    <Card title="The point">
      <KeyValue
        items={[
          ["Description", point.description],
          ["Path", point.browse_path],
          ["Node", point.node_id && <code>{point.node_id}</code>],
          ["Type", point.data_type],
          ["Unit", point.uom],
          ["Asset", point.asset?.display ?? point.asset?.remote_id],
          ["Sampled every", point.sampling_ms == null ? undefined : `${amount(point.sampling_ms)} ms`],
          ["Dead-band", point.deadband],
          ["Connection", <ConnectionLink id={point.connection_id} />],
          ["Id", <code>{point.id}</code>],
        ]}
      />
    </Card>
  );
}

function describe(title: string, history: History, series: Series): string {
  const gaps = series.bands.filter(({ kind }) => kind === "gap").length;
  return `${title}: ${counted(history.samples.length, "sample")} from ${exactTime(history.fromMs)} to ${exactTime(history.toMs)}, ${counted(gaps, "gap")}`;
}
