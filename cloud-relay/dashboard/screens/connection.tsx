// One connection: how it stands and what to do about it, and a tab for each thing that one may want to know of it.
import type { ComponentType } from "preact";
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { allSyncStatus } from "../api/lists.ts";
import { STATUS_EVENTS } from "../api/live-types.ts";
import { useResource } from "../api/resource.ts";
import { can, type Role } from "../api/session-state.ts";
import { StatusBadge } from "../parts/badge.tsx";
import { Icon } from "../parts/icon.tsx";
import { JsonView } from "../parts/json-view.tsx";
import { EmptyState, ProblemNotice } from "../parts/notice.tsx";
import { Page } from "../parts/page.tsx";
import { useQuery } from "../parts/query.ts";
import { statusLook } from "../parts/status.ts";
import { Tabs } from "../parts/tabs.tsx";
import { Time } from "../parts/time.tsx";
import { to } from "../paths.ts";
import type { ScreenProps } from "../screens.ts";
import { ConnectionActions } from "./connection-actions.tsx";
import { ConnectionCapabilities } from "./connection-capabilities.tsx";
import { ConnectionData } from "./connection-data.tsx";
import { ConnectionEvents } from "./connection-events.tsx";
import { shownStatus } from "./connection-filter.ts";
import { ConnectionLosses } from "./connection-losses.tsx";
import { ConnectionMapping } from "./connection-mapping.tsx";
import { ConnectionOverview } from "./connection-overview.tsx";
import { ConnectionSyncs } from "./connection-syncs.tsx";
import { ConnectionTokens } from "./connection-tokens.tsx";
import "../styles/connection.css";

/** What each tab is given. */
export interface ConnectionTabProps {
  readonly connection: Schema<"Connection">;
  /** undefined while it is fetched for the first time. */
  readonly syncs: readonly Schema<"SyncStatus">[] | undefined;
}

interface ConnectionTab {
  /** In the address: `view`. */
  readonly view: string;
  readonly title: string;
  readonly role?: Role;
  readonly content: ComponentType<ConnectionTabProps>;
}

const LOOK_EVERY_MS = 5_000;

const TABS: readonly ConnectionTab[] = [
  { view: "", title: "Status", content: ConnectionOverview },
  { view: "timeline", title: "Timeline", content: ConnectionEvents },
  { view: "syncs", title: "Sync runs", content: ConnectionSyncs },
  { view: "data", title: "Data", content: ConnectionData },
  { view: "mapping", title: "Mapping", content: ConnectionMapping },
  { view: "capabilities", title: "Capabilities", content: ConnectionCapabilities },
  { view: "losses", title: "Gaps and rejects", content: ConnectionLosses },
  { view: "tokens", title: "Tokens", role: "admin", content: ConnectionTokens },
  { view: "api", title: "API", content: AsJson },
];

export function ConnectionScreen({ params }: ScreenProps) {
  const id = params["id"] ?? "";
  const query = useQuery();
  const { data, problem, reload } = useResource(
    `connection ${id}`,
    (signal) => unwrap(api.GET("/v1/connections/{id}", { params: { path: { id } }, signal })),
    { on: STATUS_EVENTS, everyMs: LOOK_EVERY_MS },
  );
  const syncs = useResource(`syncs ${id}`, (signal) => allSyncStatus(signal, id), {
    on: STATUS_EVENTS,
    everyMs: LOOK_EVERY_MS,
  });
  const seen = TABS.filter(({ role }) => role === undefined || can(role));
  const current = seen.find(({ view }) => view === query.get("view")) ?? seen[0];
  const reloadAll = (): void => {
    reload();
    syncs.reload();
  };
  if (data === undefined && problem?.status === 404) return <Gone />;
  return (
    <Page
      title={data?.name ?? "Connection"}
      back={{ title: "Connections", href: to("/connections") }}
      beside={data && <StatusBadge status={shownStatus(data)} />}
      actions={
        data !== undefined &&
        can("operator") && (
          <ConnectionActions connection={data} syncs={syncs.data?.items ?? []} onDone={reloadAll} />
        )
      }
    >
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      {data !== undefined && <Standing connection={data} />}
      <Tabs
        label="Parts of the connection"
        tabs={seen.map(({ view, title }) => ({
          title,
          // Each tab has filters of its own: none goes along.
          href: to("/connections/:id", { id }, view === "" ? "" : `?view=${view}`),
          isCurrent: view === current?.view,
        }))}
      />
      {syncs.problem !== undefined && <ProblemNotice problem={syncs.problem} onRetry={syncs.reload} />}
      {data !== undefined && current !== undefined && (
        <current.content connection={data} syncs={syncs.data?.items} />
      )}
    </Page>
  );
}

/** Why it does not work, and what to do, before anything else. */
function Standing({ connection }: { readonly connection: Schema<"Connection"> }) {
  const { status_reason: reason, status_advice: advice, disconnected_at: disconnectedAt } = connection;
  const { label, tone, icon } = statusLook(shownStatus(connection));
  if (disconnectedAt !== null)
    return (
      <div class="notice">
        <Icon name="cross" />
        <div>
          <strong>
            Disconnected <Time at={disconnectedAt} />
          </strong>
          <p>
            Its agent is not let in and its tokens are refused. What was read stays here.{" "}
            <code>millrace-relay connection reconnect</code> lets it in again.
          </p>
        </div>
      </div>
    );
  if (reason === null && advice === null) return null;
  return (
    <div class="notice" data-tone={tone === "bad" || tone === "warn" ? tone : undefined}>
      <Icon name={icon} />
      <div>
        <strong>{reason ?? label}</strong>
        {advice !== null && <p>{advice}</p>}
      </div>
    </div>
  );
}

function AsJson({ connection }: ConnectionTabProps) {
  return <JsonView value={connection} label={`GET /v1/connections/${connection.id}`} />;
}

function Gone() {
  return (
    <Page title="No such connection" back={{ title: "Connections", href: to("/connections") }}>
      <EmptyState
        icon="search"
        title="There is no such connection"
        text="It may have been deleted with all that was read from it, or it belongs to another workspace."
      />
    </Page>
  );
}
