// The newest samples of a point in words: what a chart cannot draw, and what its picture does not say to everybody.
import type { Schema } from "../api/client.ts";
import { instantOfSample } from "../api/sample-windows.ts";
import { Badge } from "../parts/badge.tsx";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { Card } from "../parts/page.tsx";
import { wordsOf } from "../parts/status.ts";
import { counted } from "../parts/text.ts";
import { Time } from "../parts/time.tsx";
import { toneOfQuality, valueText } from "./telemetry-value.ts";

type Sample = Schema<"Sample">;

const MAX_LISTED = 20;

/** `samples`: of the range that is shown, oldest first. */
export function NewestValues({
  samples,
  unit,
}: {
  readonly samples: readonly Sample[];
  readonly unit: string | null;
}) {
  const shown = samples.slice(-MAX_LISTED).toReversed();
  if (shown.length === 0) return null;
  return (
    <Card title="Newest values" isFlush>
      <DataTable
        caption="Newest values"
        columns={columnsOf(unit)}
        rows={shown}
        rowKey={(sample) => String(instantOfSample(sample))}
        empty={null}
        foot={
          samples.length > MAX_LISTED
            ? `The newest ${MAX_LISTED} of ${counted(samples.length, "sample")}`
            : undefined
        }
      />
    </Card>
  );
}

function columnsOf(unit: string | null): readonly Column<Sample>[] {
  return [
    {
      key: "at",
      title: "At",
      cell: (sample) => <Time at={sample.source_timestamp ?? sample.server_timestamp} isExact />,
    },
    {
      key: "value",
      title: "Value",
      cell: (sample) => <span class="number">{valueText(sample.value, unit)}</span>,
    },
    {
      key: "quality",
      title: "Quality",
      cell: (sample) => <Badge tone={toneOfQuality(sample.quality)}>{wordsOf(sample.quality)}</Badge>,
    },
  ];
}
