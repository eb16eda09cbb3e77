// Webhook deliveries: every event that was bound for an endpoint, and what became of it.
import { useState } from "preact/hooks";
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { allEndpoints } from "../api/lists.ts";
import { useResource } from "../api/resource.ts";
import { can } from "../api/session-state.ts";
import { Badge } from "../parts/badge.tsx";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { AskDialog } from "../parts/dialog.tsx";
import { FilterBar, SearchFilter, SelectFilter } from "../parts/filter-bar.tsx";
import { NothingFits } from "../parts/nothing-fits.tsx";
import { EmptyState, ProblemNotice } from "../parts/notice.tsx";
import { Card, Page } from "../parts/page.tsx";
import { PeriodFilter, TextFilter } from "../parts/period-filter.tsx";
import { useQuery, type Query } from "../parts/query.ts";
import { amount, counted } from "../parts/text.ts";
import { Time } from "../parts/time.tsx";
import { toast } from "../parts/toast.tsx";
import { to } from "../paths.ts";
import { deliveryLook, nextTryAt, outcomeText, WEBHOOK_EVENTS } from "./webhook-look.ts";
import { WebhookTabs } from "./webhooks.tsx";

type Delivery = Schema<"WebhookDelivery">;
type Endpoint = Schema<"WebhookEndpoint">;

const LOOK_EVERY_MS = 3_000;
const PAGE_DELIVERIES = 50;
const STATES = ["pending", "delivered", "exhausted", "discarded"];
const STATUSES = ["0", "200", "400", "401", "404", "410", "429", "500", "502", "503", "504"];
const TEXTS = ["event_id", "record_id", "state", "type", "endpoint_id", "created_after"] as const;
const FILTERS = [...TEXTS, "status"] as const;

export function WebhookDeliveriesScreen() {
  const query = useQuery();
  const cursor = query.get("cursor");
  const own = filterOf(query);
  const { data, problem, reload } = useResource(
    `deliveries ${JSON.stringify(own)} ${cursor}`,
    (signal) => load(own, cursor, signal),
    { on: WEBHOOK_EVENTS, ...(cursor === "" && { everyMs: LOOK_EVERY_MS }) },
  );
  const endpoints = useResource("webhook-endpoints", allEndpoints).data?.items ?? [];
  const types =
    useResource("webhook-types", (signal) => unwrap(api.GET("/v1/webhook-event-types", { signal }))).data
      ?.data ?? [];
  const [isAsking, setAsking] = useState(false);
  const isFiltered = FILTERS.some((name) => query.get(name) !== "");
  return (
    <Page
      title="Webhook deliveries"
      actions={
        can("operator") && (
          <button
            type="button"
            class="button"
            disabled={!isFiltered}
            title={isFiltered ? undefined : "Choose by the filters what is sent again"}
            onClick={() => setAsking(true)}
          >
            Retry all that fit
          </button>
        )
      }
    >
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      <WebhookTabs isDeliveries />
      <FilterBar>
        <SearchFilter name="event_id" label="Event id (webhook-id)" />
        <SelectFilter
          name="state"
          all="All states"
          choices={STATES.map((value) => ({ value, title: deliveryLook(value, 0).label }))}
        />
        <SelectFilter
          name="endpoint_id"
          all="All endpoints"
          choices={endpoints.map(({ id, name }) => ({ value: id, title: name }))}
        />
        <SelectFilter
          name="type"
          all="All event types"
          choices={types.map(({ type }) => ({ value: type, title: type }))}
        />
        <SelectFilter
          name="status"
          all="All answers"
          choices={STATUSES.map((value) => ({ value, title: value === "0" ? "No answer" : `HTTP ${value}` }))}
        />
        <TextFilter name="record_id" label="Record id" />
        <PeriodFilter name="created_after" all="Any time" />
      </FilterBar>
      <Card isFlush>
        <DataTable
          caption="Webhook deliveries"
          columns={columnsOf(new Map(endpoints.map((endpoint) => [endpoint.id, endpoint])))}
          rows={data?.data}
          rowKey={(row) => row.id}
          nextCursor={data?.next_cursor}
          empty={isFiltered ? <NothingFits what="delivery" filters={FILTERS} /> : <NoDeliveries />}
        />
      </Card>
      {isAsking && <RetryAll filter={own} onClose={() => setAsking(false)} onDone={reload} />}
    </Page>
  );
}

function filterOf(query: Query) {
  const texts = Object.fromEntries(
    TEXTS.flatMap((name) => (query.get(name) === "" ? [] : [[name, query.get(name)]])),
  );
  const status = query.get("status");
  return { ...texts, ...(/^\d+$/.test(status) && { status: Number(status) }) };
}

function load(filter: ReturnType<typeof filterOf>, cursor: string, signal: AbortSignal) {
  const query = { ...filter, limit: PAGE_DELIVERIES, ...(cursor !== "" && { cursor }) };
  return unwrap(api.GET("/v1/webhook-deliveries", { params: { query }, signal }));
}

function columnsOf(endpoints: ReadonlyMap<string, Endpoint>): readonly Column<Delivery>[] {
  return [
    {
      key: "event",
      title: "Event",
      cell: (row) => (
        <div>
          <a class="row-link" href={to("/webhooks/deliveries/:id", { id: row.id })}>
            <code>{row.type}</code>
          </a>
          <div class="small muted">
            <code>{row.event_id}</code>
          </div>
        </div>
      ),
    },
    { key: "state", title: "State", cell: (row) => <DeliveryBadge delivery={row} /> },
    {
      key: "answer",
      title: "Last answer",
      cell: (row) => outcomeText(row.last_status, row.last_error) ?? <span class="muted">none yet</span>,
    },
    {
      key: "tries",
      title: "Tries",
      align: "end",
      cell: (row) => <span class="number">{amount(row.attempts)}</span>,
    },
    {
      key: "endpoint",
      title: "Endpoint",
      cell: (row) => (
        <a href={to("/webhooks/endpoints/:id", { id: row.endpoint_id })}>
          {endpoints.get(row.endpoint_id)?.name ?? row.endpoint_id}
        </a>
      ),
    },
    {
      key: "next",
      title: "Next try",
      cell: (row) => <Time at={nextTryAt(row, endpoints.get(row.endpoint_id))} />,
    },
    { key: "at", title: "Since", cell: (row) => <Time at={row.created_at} /> },
  ];
}

export function DeliveryBadge({ delivery }: { readonly delivery: Pick<Delivery, "state" | "attempts"> }) {
  const { label, tone, icon } = deliveryLook(delivery.state, delivery.attempts);
  return (
    <Badge tone={tone} icon={icon}>
      {label}
    </Badge>
  );
}

function RetryAll(props: {
  readonly filter: ReturnType<typeof filterOf>;
  readonly onClose: () => void;
  readonly onDone: () => void;
}) {
  const retry = async (): Promise<void> => {
    const { count, has_more: hasMore } = await unwrap(
      api.POST("/v1/webhook-deliveries/retry", { body: props.filter }),
    );
    const rest = hasMore ? " There are more: retry again when these are through." : "";
    toast("good", `${counted(count, "delivery", "deliveries")} on the way.${rest}`);
    props.onDone();
    props.onClose();
  };
  return (
    <AskDialog title="Send them again?" action="Send again" onAsk={retry} onClose={props.onClose}>
      <p>
        Everything that the filters name is sent again, oldest first, at most 1,000 at a time; those that were
        given up if no state is chosen. Receivers know what they have by the same webhook-id.
      </p>
    </AskDialog>
  );
}

function NoDeliveries() {
  return (
    <EmptyState
      icon="webhooks"
      title="No delivery yet"
      text="As soon as there is an endpoint, every event that it wants stands here, with each try, its answer, and when it is tried next."
    >
      <a class="button" href={to("/webhooks", {}, can("admin") ? "?new=1" : "")}>
        {can("admin") ? "Add an endpoint" : "To the endpoints"}
      </a>
    </EmptyState>
  );
}
