// A connection at a glance: its facts, and how the sync of each entity goes.
import type { ComponentChildren } from "preact";
import type { Schema } from "../api/client.ts";
import { allAgents } from "../api/lists.ts";
import { useResource } from "../api/resource.ts";
import { can } from "../api/session-state.ts";
import { CopyButton } from "../parts/copy-button.tsx";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { KeyValue } from "../parts/key-value.tsx";
import { EmptyState } from "../parts/notice.tsx";
import { Card } from "../parts/page.tsx";
import { Sparkline } from "../parts/sparkline.tsx";
import { wordsOf } from "../parts/status.ts";
import { amount, bytes } from "../parts/text.ts";
import { Time } from "../parts/time.tsx";
import { to } from "../paths.ts";
import type { ConnectionTabProps } from "./connection.tsx";
import { isReading, progressText, shareOf, strategyText } from "./sync-look.ts";

type Connection = Schema<"Connection">;
type SyncStatus = Schema<"SyncStatus">;

export function ConnectionOverview({ connection, syncs }: ConnectionTabProps) {
  return (
    <>
      <Facts connection={connection} />
      <Card title="Entities" isFlush>
        <DataTable
          caption="Sync of each entity"
          columns={columnsOf(connection.id)}
          rows={syncs}
          rowKey={(row) => row.entity}
          empty={<NothingRead kind={connection.kind} />}
        />
      </Card>
    </>
  );
}

function Facts({ connection }: { readonly connection: Connection }) {
  const { id, customer, environment, system, kind, labels, backlog, load, agent_id: agentId } = connection;
  const items: readonly (readonly [string, ComponentChildren])[] = [
    [
      "State since",
      <a href={to("/connections/:id", { id }, "?view=timeline")}>
        <Time at={connection.status_changed_at} />
      </a>,
    ],
    ["Last sync", <Time at={connection.last_sync_at} />],
    ["System", system ?? wordsOf(kind)],
    ["Customer", customer],
    ["Environment", environment],
    ["Labels", labelsText(labels)],
    ["Served by", agentId === null ? undefined : <AgentLink id={agentId} />],
    ["Backlog at the plant", backlog?.bytes == null ? undefined : bytes(backlog.bytes)],
    ["Load", load === null ? undefined : `${amount(load.rows_per_second)} rows/s`],
    [
      "Id",
      <span class="row">
        <code>{id}</code>
        <CopyButton text={id} label="Copy the connection's id" />
      </span>,
    ],
  ];
  return (
    <Card>
      <div class="facts">
        <KeyValue items={items.filter(([, value]) => value != null && value !== "")} />
      </div>
    </Card>
  );
}

function AgentLink({ id }: { readonly id: string }) {
  const { data } = useResource("all agents", allAgents);
  const name = data?.items.find((agent) => agent.id === id)?.name;
  return <a href={to("/agents", {}, `?q=${encodeURIComponent(id)}`)}>{name ?? id}</a>;
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}: ${value}`)
    .join(", ");
}

function columnsOf(id: string): readonly Column<SyncStatus>[] {
  return [
    {
      key: "entity",
      title: "Entity",
      sort: (row) => row.entity,
      cell: (row) => (
        <a class="row-link" href={to("/connections/:id", { id }, `?view=data&entity=${row.entity}`)}>
          {wordsOf(row.entity)}
        </a>
      ),
    },
    {
      key: "state",
      title: "State",
      sort: (row) => row.state,
      cell: (row) => <SyncState row={row} />,
    },
    {
      key: "records",
      title: "Records",
      align: "end",
      sort: (row) => row.records,
      cell: (row) => <span class="number">{amount(row.records)}</span>,
    },
    {
      key: "changed",
      title: "Changed, last passes",
      cell: (row) => (
        <Sparkline
          values={row.runs.map(({ changed }) => changed).toReversed()}
          label={`${row.entity}: records changed in each of the last ${row.runs.length} passes`}
        />
      ),
    },
    {
      key: "good",
      title: "Last success",
      sort: (row) => (row.last_success_at === null ? null : Date.parse(row.last_success_at)),
      cell: (row) => <Time at={row.last_success_at} />,
    },
    {
      key: "how",
      title: "Changes are found by",
      cell: (row) => (
        <span class="small muted" title={row.strategy_reason ?? undefined}>
          {row.strategy === null ? "–" : strategyText(row.strategy)}
          {row.strategy_advice !== null && <div>{row.strategy_advice}</div>}
        </span>
      ),
    },
  ];
}

function SyncState({ row }: { readonly row: SyncStatus }) {
  const share = isReading(row) ? shareOf(row.progress) : undefined;
  return (
    <div>
      {wordsOf(row.state)}
      {isReading(row) && row.progress !== null && (
        <div class="small muted">
          {share !== undefined && (
            <progress value={share} max={1} aria-label={`${wordsOf(row.entity)}: progress`} />
          )}
          <div class="nowrap">{progressText(row.progress)}</div>
        </div>
      )}
      <div class="small muted">{row.error ?? row.waits}</div>
    </div>
  );
}

function NothingRead({ kind }: { readonly kind: string }) {
  return (
    <EmptyState
      icon="sync"
      title="Nothing was read yet"
      text={
        kind === "agent"
          ? "As soon as an agent serves this connection, each entity that it reads is here with its progress. Enrol one, and name this connection in the agent's file."
          : "The sandbox shows its entities as soon as it has made its sample data."
      }
    >
      {kind === "agent" && can("admin") && (
        <a class="button" href={to("/agents", {}, "?enrol=1")}>
          Enrol an agent
        </a>
      )}
    </EmptyState>
  );
}
