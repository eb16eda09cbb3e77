// All agents: the daemons at the plants, what they serve, and the wizard that enrols one.
import { useState } from "preact/hooks";
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { allAgents, allConnections } from "../api/lists.ts";
import { STATUS_EVENTS } from "../api/live-types.ts";
import { useResource } from "../api/resource.ts";
import { can, workspaceWord } from "../api/session-state.ts";
import { StatusBadge } from "../parts/badge.tsx";
import { Command, CopyButton } from "../parts/copy-button.tsx";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { AskDialog } from "../parts/dialog.tsx";
import { FilterBar, SearchFilter, SelectFilter } from "../parts/filter-bar.tsx";
import { Icon } from "../parts/icon.tsx";
import { NothingFits } from "../parts/nothing-fits.tsx";
import { EmptyState, ProblemNotice } from "../parts/notice.tsx";
import { Card, Page } from "../parts/page.tsx";
import { matchesSearch } from "../parts/query-text.ts";
import { useQuery } from "../parts/query.ts";
import { statusLook } from "../parts/status.ts";
import { amount, counted } from "../parts/text.ts";
import { Time } from "../parts/time.tsx";
import { toast } from "../parts/toast.tsx";
import { to } from "../paths.ts";
import { valuesOf } from "./connection-filter.ts";
import { EnrolDialog } from "./enrol-dialog.tsx";

type Agent = Schema<"Agent">;
type Connection = Schema<"Connection">;
type Action = "revoke" | "release";

const LOOK_EVERY_MS = 10_000;
/** Of one agent; the list of connections has all of them. */
const MAX_SERVED = 5;

async function load(signal: AbortSignal) {
  const [agents, connections] = await Promise.all([allAgents(signal), allConnections(signal)]);
  return { agents: agents.items, connections: connections.items };
}

export function AgentsScreen() {
  const { data, problem, reload } = useResource("agents", load, {
    on: STATUS_EVENTS,
    everyMs: LOOK_EVERY_MS,
  });
  const query = useQuery();
  const [asked, setAsked] = useState<{ readonly agent: Agent; readonly action: Action }>();
  const isEnrolling = query.get("enrol") !== "" && can("admin");
  const search = query.get("q");
  const status = query.get("status");
  const shown = data?.agents
    .filter((agent) => status === "" || agent.status === status)
    .filter((agent) => matchesSearch(search, [agent.name, agent.id, agent.version, agent.platform]));
  return (
    <Page
      title="Agents"
      actions={
        can("admin") && (
          <button type="button" class="button primary" onClick={() => query.set({ enrol: "1" })}>
            <Icon name="plus" /> Enrol an agent
          </button>
        )
      }
    >
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      <FilterBar>
        <SearchFilter label="Name, version, platform" />
        <SelectFilter
          name="status"
          all="All states"
          choices={valuesOf(data?.agents ?? [], (agent) => agent.status).map((value) => ({
            value,
            title: statusLook(value).label,
          }))}
        />
      </FilterBar>
      <Card isFlush>
        <DataTable
          caption="Agents"
          columns={columnsOf(data?.connections ?? [], (agent, action) => setAsked({ agent, action }))}
          rows={shown}
          rowKey={(agent) => agent.id}
          empty={
            data?.agents.length === 0 ? <NoAgents /> : <NothingFits what="agent" filters={["q", "status"]} />
          }
          foot={data && counted(data.agents.length, "agent")}
        />
      </Card>
      {isEnrolling && data !== undefined && (
        <EnrolDialog
          connections={data.connections}
          onClose={() => {
            query.set({ enrol: undefined });
            reload();
          }}
        />
      )}
      {asked !== undefined && <Ask {...asked} onClose={() => setAsked(undefined)} onDone={reload} />}
    </Page>
  );
}

function columnsOf(
  connections: readonly Connection[],
  ask: (agent: Agent, action: Action) => void,
): readonly Column<Agent>[] {
  const names = new Map(connections.map(({ id, name }) => [id, name]));
  return [
    {
      key: "name",
      title: "Agent",
      sort: (agent) => agent.name,
      cell: (agent) => (
        <div>
          <strong>{agent.name}</strong>
          <div class="row small muted">
            <code class="nowrap">{agent.id}</code>
            <CopyButton text={agent.id} label={`Copy the id of ${agent.name}`} />
          </div>
        </div>
      ),
    },
    {
      key: "status",
      title: "Status",
      sort: (agent) => statusLook(agent.status).label,
      cell: (agent) => (
        <div>
          <StatusBadge status={agent.status} />
          {agent.status === "quarantined" && (
            <div class="small muted">Two copies of it took turns. Stop one, then release it.</div>
          )}
        </div>
      ),
    },
    {
      key: "connections",
      title: "Serves",
      cell: (agent) => <Served agent={agent} names={names} />,
    },
    {
      key: "version",
      title: "Version",
      sort: (agent) => agent.version,
      cell: (agent) => (
        <div>
          {agent.version ?? "–"}
          <div class="small muted">{agent.platform}</div>
        </div>
      ),
    },
    {
      key: "seen",
      title: "Last seen",
      sort: (agent) => (agent.last_seen_at === null ? null : Date.parse(agent.last_seen_at)),
      cell: (agent) => (agent.status === "online" ? "now" : <Time at={agent.last_seen_at} />),
    },
    {
      key: "connected",
      title: "Connected since",
      sort: (agent) => (agent.connected_at === null ? null : Date.parse(agent.connected_at)),
      cell: (agent) => <Time at={agent.status === "online" ? agent.connected_at : null} />,
    },
    ...(can("admin")
      ? [
          {
            key: "actions",
            title: "Actions",
            isTitleHidden: true,
            align: "end" as const,
            cell: (agent: Agent) => actionsOf(agent, ask),
          },
        ]
      : []),
  ];
}

function Served({ agent, names }: { readonly agent: Agent; readonly names: ReadonlyMap<string, string> }) {
  const { id: agentId, connection_ids: ids } = agent;
  const rest = ids.length - MAX_SERVED;
  return (
    <ul>
      {ids.slice(0, MAX_SERVED).map((id) => (
        <li key={id}>
          <a href={to("/connections/:id", { id })}>{names.get(id) ?? id}</a>
        </li>
      ))}
      {rest > 0 && (
        <li>
          <a href={to("/connections", {}, `?q=${encodeURIComponent(agentId)}`)}>and {amount(rest)} more</a>
        </li>
      )}
    </ul>
  );
}

function actionsOf(agent: Agent, ask: (agent: Agent, action: Action) => void) {
  if (agent.status === "revoked") return undefined;
  return (
    <div class="row">
      {agent.status === "quarantined" && (
        <button type="button" class="button small" onClick={() => ask(agent, "release")}>
          Release
        </button>
      )}
      <button
        type="button"
        class="button small quiet"
        aria-label={`Revoke ${agent.name}`}
        onClick={() => ask(agent, "revoke")}
      >
        Revoke
      </button>
    </div>
  );
}

function Ask(props: {
  readonly agent: Agent;
  readonly action: Action;
  readonly onClose: () => void;
  readonly onDone: () => void;
}) {
  const { agent, action, onClose, onDone } = props;
  const isRevoke = action === "revoke";
  const confirm = async (): Promise<void> => {
    const params = { path: { id: agent.id } };
    if (isRevoke) await unwrap(api.POST("/admin/v1/agents/{id}/revoke", { params }));
    else await unwrap(api.POST("/admin/v1/agents/{id}/release", { params }));
    toast("good", isRevoke ? `${agent.name} is revoked.` : `${agent.name} may connect again.`);
    onDone();
    onClose();
  };
  return (
    <AskDialog
      title={isRevoke ? `Revoke ${agent.name}?` : `Release ${agent.name}?`}
      action={isRevoke ? "Revoke" : "Release"}
      isDanger={isRevoke}
      onAsk={confirm}
      onClose={onClose}
    >
      <p>
        {isRevoke
          ? "Its key is refused from now on, for good. What it has not sent yet stays at the plant. To serve its connections again, an agent must be enrolled anew."
          : "Its key is accepted again. Make sure first that only one copy of this agent runs, or it will be quarantined again."}
      </p>
    </AskDialog>
  );
}

function NoAgents() {
  return (
    <EmptyState
      icon="agents"
      title="No agent yet"
      text="An agent is a daemon in the plant network. It reads the source systems there and calls this relay by one outbound connection. The wizard above makes a one-time code for it; so does this command:"
    >
      <Command
        text={`millrace-relay enrollment-code create --workspace ${workspaceWord()} --connection maximo`}
      />
    </EmptyState>
  );
}
