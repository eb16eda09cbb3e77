// One record: unified beside the row it came from, with where each field is from; its history; and as the API gives it.
import { useEffect } from "preact/hooks";
import { ask, type Schema } from "../api/client.ts";
import { onEvents } from "../api/live.ts";
import { useResource } from "../api/resource.ts";
import { Badge } from "../parts/badge.tsx";
import { CopyButton } from "../parts/copy-button.tsx";
import { DataTable } from "../parts/data-table.tsx";
import { JsonView } from "../parts/json-view.tsx";
import { KeyValue } from "../parts/key-value.tsx";
import { EmptyState, ProblemNotice } from "../parts/notice.tsx";
import { Card, Page } from "../parts/page.tsx";
import { useQuery } from "../parts/query.ts";
import { wordsOf } from "../parts/status.ts";
import { Tabs } from "../parts/tabs.tsx";
import { Time } from "../parts/time.tsx";
import { to } from "../paths.ts";
import type { ScreenProps } from "../screens.ts";
import { loadEntities, type AnyRecord, type EntityPlace } from "./entity-list.ts";
import { valueText, type Provenance } from "./record-fields.ts";
import { SideBySide } from "./record-sides.tsx";
import "../styles/connection.css";

type Version = Schema<"RecordVersion">;

const LOOK_EVERY_MS = 60_000;
const PAGE_VERSIONS = 20;

export function RecordScreen({ params }: ScreenProps) {
  const { id = "", entity = "", record = "" } = params;
  const query = useQuery();
  const places = useResource(`entities ${id}`, (signal) => loadEntities(id, signal));
  const place = places.data?.find((each) => each.entity === entity);
  const back = {
    title: place?.title ?? "Data",
    href: to("/connections/:id", { id }, `?view=data&entity=${encodeURIComponent(entity)}`),
  };
  const view = query.get("view");
  if (place === undefined)
    return (
      <Page title="Record" back={back}>
        {places.problem === undefined ? (
          places.data === undefined ? (
            <div aria-busy="true" />
          ) : (
            <EmptyState
              icon="search"
              title="No such entity"
              text={`The connection has no entity ${entity}.`}
            />
          )
        ) : (
          <ProblemNotice problem={places.problem} onRetry={places.reload} />
        )}
      </Page>
    );
  return (
    <Loaded
      key={`${place.path}/${record}`}
      place={place}
      record={record}
      back={back}
      view={view}
      known={new Set(places.data?.map((each) => each.entity))}
      connectionId={id}
    />
  );
}

function Loaded(props: {
  readonly place: EntityPlace;
  readonly record: string;
  readonly back: { readonly title: string; readonly href: string };
  readonly view: string;
  readonly known: ReadonlySet<string>;
  readonly connectionId: string;
}) {
  const { place, record, back, view, known, connectionId } = props;
  const address = `${place.path}/${encodeURIComponent(record)}`;
  const query = useQuery();
  const { data, problem, reload } = useResource(
    address,
    (signal) =>
      ask<AnyRecord>("GET", `${address}?include=raw,provenance&include_deleted=true`, undefined, signal),
    { everyMs: LOOK_EVERY_MS },
  );
  // Of all the entity's changes only this record's are a reason to look again.
  useEffect(
    () =>
      onEvents([`${place.entity}.updated`, `${place.entity}.deleted`], (event) => {
        if (event === undefined || event.record_id === record) reload();
      }),
    [place.entity, record, reload],
  );
  const tabs = [
    { view: "", title: "Unified beside raw" },
    ...(place.isCustom ? [] : [{ view: "history", title: "History" }]),
    { view: "api", title: "API" },
  ];
  return (
    <Page
      title={data?.remote_id ?? "Record"}
      back={back}
      beside={
        data !== undefined &&
        data.presence !== "present" && <Badge tone="warn">{wordsOf(data.presence)}</Badge>
      }
    >
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      {data !== undefined && <Envelope record={data} />}
      <Tabs
        label="Parts of the record"
        tabs={tabs.map((tab) => ({
          title: tab.title,
          href: query.href({ view: tab.view, field: undefined }),
          isCurrent: tab.view === view,
        }))}
      />
      {view === "history" && !place.isCustom && <History key={data?.revision} address={address} />}
      {data !== undefined && view === "api" && <JsonView value={data} label={`GET ${address}`} />}
      {data !== undefined && view === "" && (
        <SideBySide
          record={data}
          provenance={(data["provenance"] as Provenance | null | undefined) ?? null}
          hrefOf={(target, targetId) =>
            to("/connections/:id/records/:entity/:record", {
              id: connectionId,
              entity: target,
              record: targetId,
            })
          }
          entity={place.entity}
          known={known}
        />
      )}
      {data === undefined && problem === undefined && <div aria-busy="true" class="skeleton" />}
    </Page>
  );
}

function Envelope({ record }: { readonly record: AnyRecord }) {
  const { id, revision, updated_at: updatedAt } = record;
  return (
    <Card>
      <div class="facts">
        <KeyValue
          items={[
            ["In the relay since", <Time at={updatedAt} />],
            ["In the source since", <Time at={record["remote_updated_at"] as string | null | undefined} />],
            ["Revision", <code>{revision}</code>],
            ["Came by", valueText(record["origin"])],
            ["Version in the source", <code>{valueText(record["remote_version"])}</code>],
            ["Mapping", <code>{valueText(record["mapping_version"])}</code>],
            [
              "Id",
              <span class="row">
                <code>{id}</code>
                <CopyButton text={id} label="Copy the record's id" />
              </span>,
            ],
          ]}
        />
      </div>
    </Card>
  );
}

function History({ address }: { readonly address: string }) {
  const query = useQuery();
  const cursor = query.get("cursor");
  const own = `${address}/history?limit=${PAGE_VERSIONS}${cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`}`;
  const { data, problem, reload } = useResource(own, (signal) =>
    ask<{ readonly data: readonly Version[]; readonly next_cursor: string | null }>(
      "GET",
      own,
      undefined,
      signal,
    ),
  );
  return (
    <>
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      <Card isFlush>
        <DataTable
          caption="Versions of the record"
          columns={[
            {
              key: "at",
              title: "Version",
              cell: (version) => (
                <div>
                  <Time at={version.at} isExact />
                  <div class="small muted">
                    {version.until === null ? (
                      "holds now"
                    ) : (
                      <>
                        until <Time at={version.until} isExact />
                      </>
                    )}
                  </div>
                </div>
              ),
            },
            {
              key: "by",
              title: "Came by",
              cell: (version) => (
                <div>
                  {wordsOf(version.origin)}
                  {version.sync_run !== null && (
                    <div class="small muted">
                      {version.sync_run.pass} <code>{version.sync_run.run}</code>
                    </div>
                  )}
                  {version.presence !== "present" && <Badge tone="warn">{wordsOf(version.presence)}</Badge>}
                </div>
              ),
            },
            { key: "changes", title: "What changed", cell: (version) => <Changes version={version} /> },
          ]}
          rows={data?.data}
          rowKey={(version) => String(version.revision)}
          nextCursor={data?.next_cursor}
          empty={
            <EmptyState
              icon="clock"
              title="No version is held"
              text="Every version of a record is held from when the relay first had it, for 90 days after another took its place."
            />
          }
        />
      </Card>
    </>
  );
}

function Changes({ version }: { readonly version: Version }) {
  if (version.changes === null)
    return <span class="muted">The first version that is held: there is nothing to compare it with</span>;
  if (version.changes.length === 0) return <span class="muted">No field of its own</span>;
  return (
    <ul class="changes">
      {version.changes.map(({ field, from, to: after }) => (
        <li key={field}>
          <code>{field}</code> <del>{shown(from)}</del> <span aria-label="became">→</span>{" "}
          <ins>{shown(after)}</ins>
        </li>
      ))}
      {version.changes_cut && <li class="muted">… and more</li>}
    </ul>
  );
}

function shown(value: unknown): string {
  if (value === undefined) return "absent";
  const text = valueText(value);
  return text === "" ? "empty" : text;
}
