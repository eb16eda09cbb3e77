// Webhook endpoints: who is told what, and how each of them fares.
import { useState } from "preact/hooks";
import type { Schema } from "../api/client.ts";
import { allConnections, allEndpoints } from "../api/lists.ts";
import { useResource } from "../api/resource.ts";
import { can } from "../api/session-state.ts";
import { Badge } from "../parts/badge.tsx";
import { Command } from "../parts/copy-button.tsx";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { FilterBar, SearchFilter, SelectFilter } from "../parts/filter-bar.tsx";
import { Icon } from "../parts/icon.tsx";
import { NothingFits } from "../parts/nothing-fits.tsx";
import { EmptyState, ProblemNotice } from "../parts/notice.tsx";
import { Card, Page } from "../parts/page.tsx";
import { matchesSearch } from "../parts/query-text.ts";
import { useQuery } from "../parts/query.ts";
import { Tabs } from "../parts/tabs.tsx";
import { amount, counted, percent } from "../parts/text.ts";
import { Time } from "../parts/time.tsx";
import { to } from "../paths.ts";
import { valuesOf } from "./connection-filter.ts";
import { shareOf } from "./overview-shares.ts";
import { WebhookForm } from "./webhook-form.tsx";
import { endpointLook, WEBHOOK_EVENTS } from "./webhook-look.ts";
import { SecretDialog } from "./webhook-secret.tsx";

type Endpoint = Schema<"WebhookEndpoint">;

const LOOK_EVERY_MS = 5_000;

export function WebhooksScreen() {
  const { data, problem, reload } = useResource("webhook-endpoints", allEndpoints, {
    on: WEBHOOK_EVENTS,
    everyMs: LOOK_EVERY_MS,
  });
  const connections = useResource("connections", allConnections).data?.items ?? [];
  const query = useQuery();
  const [made, setMade] = useState<Schema<"NewWebhookEndpoint">>();
  const all = data?.items;
  const state = query.get("state");
  const shown = all
    ?.filter((row) => state === "" || endpointLook(row).label === state)
    .filter((row) => matchesSearch(query.get("q"), [row.name, row.url, row.id, ...row.types]));
  const close = (): void => query.set({ new: undefined });
  return (
    <Page title="Webhooks" actions={can("admin") && <NewButton />}>
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      <WebhookTabs isDeliveries={false} />
      <FilterBar>
        <SearchFilter label="Name, address, event type" />
        <SelectFilter
          name="state"
          all="All states"
          choices={valuesOf(all ?? [], (row) => endpointLook(row).label).map((value) => ({
            value,
            title: value,
          }))}
        />
      </FilterBar>
      <Card isFlush>
        <DataTable
          caption="Webhook endpoints"
          columns={columnsOf(new Map(connections.map(({ id, name }) => [id, name])))}
          rows={shown}
          rowKey={(row) => row.id}
          empty={
            all?.length === 0 ? <NoEndpoints /> : <NothingFits what="endpoint" filters={["q", "state"]} />
          }
          foot={all && counted(all.length, "endpoint")}
        />
      </Card>
      {query.get("new") !== "" && can("admin") && (
        <WebhookForm
          connections={connections}
          onClose={close}
          onMade={(endpoint) => {
            close();
            setMade(endpoint);
            reload();
          }}
        />
      )}
      {made !== undefined && <SecretDialog made={made} onClose={() => setMade(undefined)} />}
    </Page>
  );
}

export function WebhookTabs({ isDeliveries }: { readonly isDeliveries: boolean }) {
  return (
    <Tabs
      label="Webhooks"
      tabs={[
        { title: "Endpoints", href: to("/webhooks"), isCurrent: !isDeliveries },
        { title: "Deliveries", href: to("/webhooks/deliveries"), isCurrent: isDeliveries },
      ]}
    />
  );
}

function columnsOf(names: ReadonlyMap<string, string>): readonly Column<Endpoint>[] {
  return [
    {
      key: "name",
      title: "Endpoint",
      sort: (row) => row.name,
      cell: (row) => (
        <div>
          <a class="row-link" href={to("/webhooks/endpoints/:id", { id: row.id })}>
            {row.name}
          </a>
          <div class="small muted">
            <code class="cut wide">{row.url}</code>
          </div>
        </div>
      ),
    },
    {
      key: "state",
      title: "State",
      sort: (row) => endpointLook(row).label,
      cell: (row) => <EndpointBadge endpoint={row} />,
    },
    {
      key: "types",
      title: "Told of",
      cell: (row) => (
        <div>
          {row.types.length > 3 ? (
            counted(row.types.length, "event type")
          ) : (
            <code>{row.types.join(", ")}</code>
          )}
          <div class="small muted">
            {row.connection_id === null
              ? "all connections"
              : (names.get(row.connection_id) ?? row.connection_id)}
          </div>
        </div>
      ),
    },
    {
      key: "success",
      title: "Success, 24 h",
      align: "end",
      sort: ({ stats }) => shareOf(stats.attempts - stats.failed_attempts, stats.attempts),
      cell: ({ stats }) => <SuccessText stats={stats} />,
    },
    {
      key: "pending",
      title: "Waiting",
      align: "end",
      sort: ({ stats }) => stats.pending,
      cell: ({ id, stats }) =>
        stats.pending === 0 ? (
          <span class="muted">none</span>
        ) : (
          <a href={to("/webhooks/deliveries", {}, `?endpoint_id=${id}&state=pending`)}>
            {amount(stats.pending)}
          </a>
        ),
    },
    {
      key: "last",
      title: "Last success",
      sort: ({ health }) => (health.last_success_at === null ? null : Date.parse(health.last_success_at)),
      cell: ({ health }) => <Time at={health.last_success_at} />,
    },
  ];
}

export function EndpointBadge({ endpoint }: { readonly endpoint: Endpoint }) {
  const { label, tone, icon } = endpointLook(endpoint);
  return (
    <Badge tone={tone} icon={icon} title={endpoint.disabled?.detail}>
      {label}
    </Badge>
  );
}

function SuccessText({ stats }: { readonly stats: Endpoint["stats"] }) {
  const share = shareOf(stats.attempts - stats.failed_attempts, stats.attempts);
  return (
    <span class="number nowrap">
      {share === undefined ? "–" : percent(share)}
      {stats.exhausted > 0 && <div class="small muted">{amount(stats.exhausted)} given up</div>}
    </span>
  );
}

function NewButton() {
  const query = useQuery();
  return (
    <button type="button" class="button primary" onClick={() => query.set({ new: "1" })}>
      <Icon name="plus" /> Add an endpoint
    </button>
  );
}

function NoEndpoints() {
  return (
    <EmptyState
      icon="webhooks"
      title="No endpoint yet"
      text="An endpoint is a URL of your own software: what happens in the plants is posted to it, signed, and tried again for 24 hours until it answers 2xx. On your own machine, without a public address, this shows them:"
    >
      {can("admin") && <NewButton />}
      <Command
        text={`millrace-relay listen --url ${location.origin} --token "$MILLRACE_TOKEN" --forward http://localhost:3000/hook`}
      />
    </EmptyState>
  );
}
