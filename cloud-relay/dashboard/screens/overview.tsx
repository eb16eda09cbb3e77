// The first screen: the figures of the whole workspace, and what needs attention first.
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { allAgents, allConnections, allEndpoints, allSyncStatus } from "../api/lists.ts";
import { STATUS_EVENTS } from "../api/live-types.ts";
import { useResource, type Resource } from "../api/resource.ts";
import { can, workspaceWord } from "../api/session-state.ts";
import { Command } from "../parts/copy-button.tsx";
import { Icon } from "../parts/icon.tsx";
import { EmptyState, ProblemNotice } from "../parts/notice.tsx";
import { Card, Page } from "../parts/page.tsx";
import { amount, counted } from "../parts/text.ts";
import { Time } from "../parts/time.tsx";
import { to } from "../paths.ts";
import { attentionOf, type Attention } from "./attention.ts";
import { shownStatus } from "./connection-filter.ts";
import { Figures } from "./overview-figures.tsx";

const FIGURES_EVERY_MS = 10_000;
const ATTENTION_EVERY_MS = 30_000;
const MAX_ATTENTION = 20;
/** Of more connections the syncs are not asked for one by one here: that is much work for the relay. */
const MAX_SYNCS_OF_CONNECTIONS = 100;

interface Picture {
  readonly connections: readonly Schema<"Connection">[];
  /** Empty where there are too many connections. */
  readonly syncs: readonly Schema<"SyncStatus">[];
  readonly agents: readonly Schema<"Agent">[];
  readonly endpoints: readonly Schema<"WebhookEndpoint">[];
}

async function loadPicture(signal: AbortSignal): Promise<Picture> {
  const [connections, agents, endpoints] = await Promise.all([
    allConnections(signal),
    allAgents(signal),
    allEndpoints(signal),
  ]);
  const isSmall = connections.items.length <= MAX_SYNCS_OF_CONNECTIONS;
  const syncs = isSmall ? (await allSyncStatus(signal)).items : [];
  return { connections: connections.items, syncs, agents: agents.items, endpoints: endpoints.items };
}

export function OverviewScreen() {
  const figures = useResource("overview", (signal) => unwrap(api.GET("/v1/overview", { signal })), {
    on: STATUS_EVENTS,
    everyMs: FIGURES_EVERY_MS,
  });
  const picture = useResource("attention", loadPicture, { on: STATUS_EVENTS, everyMs: ATTENTION_EVERY_MS });
  const problem = figures.problem ?? picture.problem;
  const isEmpty = picture.data?.connections.length === 0;
  const reload = (): void => {
    figures.reload();
    picture.reload();
  };
  return (
    <Page title="Overview">
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      {isEmpty && <Welcome />}
      {!isEmpty && isThere(figures) && <Figures overview={figures.data} />}
      {!isEmpty && isThere(picture) && <NeedsAttention picture={picture.data} />}
    </Page>
  );
}

/** Or on its way: what failed for the first time is only said. */
function isThere({ data, problem }: Resource<unknown>): boolean {
  return data !== undefined || problem === undefined;
}

function NeedsAttention({ picture }: { readonly picture: Picture | undefined }) {
  const all = picture && attentionOf(picture.connections, picture.syncs, picture.agents, picture.endpoints);
  const waiting = picture?.connections.filter((each) => shownStatus(each) === "pending").length ?? 0;
  return (
    <Card title="Needs attention" isFlush>
      {all === undefined && (
        <div class="card-body">
          <span class="skeleton" />
        </div>
      )}
      {all?.length === 0 && (
        <EmptyState
          icon="check"
          title="Nothing needs you"
          text={
            waiting === 0
              ? "Every connection is in touch, every sync goes through, and no webhook endpoint is paused."
              : `Every sync goes through, and no webhook endpoint is paused. ${counted(waiting, "connection")} ${waiting === 1 ? "waits" : "wait"} for an agent.`
          }
        >
          {waiting > 0 && can("admin") && (
            <a class="button" href={to("/agents", {}, "?enrol=1")}>
              Enrol an agent
            </a>
          )}
        </EmptyState>
      )}
      {all !== undefined && all.length > 0 && (
        <ul class="attention">
          {all.slice(0, MAX_ATTENTION).map((item) => (
            <AttentionRow key={item.key} item={item} />
          ))}
        </ul>
      )}
      {all !== undefined && all.length > MAX_ATTENTION && (
        <div class="table-foot">
          <span>
            and {amount(all.length - MAX_ATTENTION)} more: <a href={to("/connections")}>all connections</a>
          </span>
        </div>
      )}
    </Card>
  );
}

function AttentionRow({ item }: { readonly item: Attention }) {
  const { tone, title, detail, advice, since } = item;
  return (
    <li data-tone={tone}>
      <Icon name="warning" />
      <div>
        <a href={placeOf(item)}>{title}</a>
        {detail !== "" && <p>{detail}</p>}
        {advice !== undefined && <p class="advice">{advice}</p>}
      </div>
      <span class="muted small">{since === null ? "" : <Time at={since} />}</span>
    </li>
  );
}

function placeOf({ connectionId, endpointId }: Attention): string {
  if (endpointId !== undefined) return to("/webhooks/endpoints/:id", { id: endpointId });
  return connectionId === undefined ? to("/agents") : to("/connections/:id", { id: connectionId });
}

function Welcome() {
  return (
    <Card isFlush>
      <EmptyState
        icon="connections"
        title="Connect the first plant"
        text="An agent in the plant network reads the ERP, the CMMS or the machines there and calls this relay by one outbound connection. It takes a few minutes; the wizard says what to do, step by step."
      >
        {can("admin") ? (
          <a class="button primary" href={to("/agents", {}, "?enrol=1")}>
            Enrol an agent
          </a>
        ) : (
          <p>Somebody with the role admin enrols agents.</p>
        )}
        <p>To look around first, fill a sandbox with sample data:</p>
        <Command
          text={`millrace-relay connection create --workspace ${workspaceWord()} --name sandbox --sandbox`}
        />
      </EmptyState>
    </Card>
  );
}
