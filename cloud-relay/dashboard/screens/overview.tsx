// The first screen: what needs attention, and the figures of the whole workspace.
import type { ComponentChildren } from "preact";
import type { Schema } from "../api/client.ts";
import { allAgents, allConnections, allSyncStatus } from "../api/lists.ts";
import { STATUS_EVENTS } from "../api/live-types.ts";
import { useResource } from "../api/resource.ts";
import { can } from "../api/session-state.ts";
import { Command } from "../parts/copy-button.tsx";
import { Icon } from "../parts/icon.tsx";
import { EmptyState, ProblemNotice } from "../parts/notice.tsx";
import { Card, Page } from "../parts/page.tsx";
import { statusLook, type Tone } from "../parts/status.ts";
import { amount, bytes, counted } from "../parts/text.ts";
import { Time } from "../parts/time.tsx";
import { to } from "../paths.ts";
import { attentionOf, type Attention } from "./attention.ts";
import { shownStatus } from "./connection-filter.ts";
import { freshnessOf } from "./freshness.ts";

type Connection = Schema<"Connection">;
type SyncStatus = Schema<"SyncStatus">;

const LOOK_EVERY_MS = 15_000;
const MAX_ATTENTION = 20;

interface Picture {
  readonly connections: readonly Connection[];
  readonly syncs: readonly SyncStatus[];
  readonly agents: readonly Schema<"Agent">[];
}

async function load(signal: AbortSignal): Promise<Picture> {
  const [connections, syncs, agents] = await Promise.all([
    allConnections(signal),
    allSyncStatus(signal),
    allAgents(signal),
  ]);
  return { connections: connections.items, syncs: syncs.items, agents: agents.items };
}

export function OverviewScreen() {
  const { data, problem, reload } = useResource("overview", load, {
    on: STATUS_EVENTS,
    everyMs: LOOK_EVERY_MS,
  });
  const isEmpty = data?.connections.length === 0;
  return (
    <Page title="Overview">
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      {isEmpty ? <Welcome /> : <Figures picture={data} />}
      {!isEmpty && <NeedsAttention picture={data} />}
    </Page>
  );
}

function Figures({ picture }: { readonly picture: Picture | undefined }) {
  const connections = picture?.connections.filter(({ disconnected_at: at }) => at === null) ?? [];
  const states = Map.groupBy(connections, shownStatus);
  const count = (status: string): number => states.get(status)?.length ?? 0;
  const down = count("offline");
  const refused = count("reauthorization_required");
  const backlog = connections.reduce((sum, { backlog }) => sum + (backlog?.bytes ?? 0), 0);
  const waiting = connections.filter(({ backlog }) => (backlog?.bytes ?? 0) > 0).length;
  const agents = picture?.agents.filter(({ status }) => status !== "revoked") ?? [];
  const known = picture !== undefined;
  return (
    <div class="figures" aria-busy={!known}>
      <Figure
        name="Connections online"
        href={to("/connections")}
        isKnown={known}
        value={amount(connections.length - down - refused - count("pending"))}
        of={amount(connections.length)}
        note={<StateBar states={states} all={connections.length} />}
      />
      <Figure
        name="Offline"
        href={to("/connections", {}, "?status=offline")}
        isKnown={known}
        value={amount(down)}
        tone={down > 0 ? "bad" : undefined}
        note={down > 0 ? "stored records are served" : "every plant is in touch"}
      />
      <Figure
        name="Needs reauthorization"
        href={to("/connections", {}, "?status=reauthorization_required")}
        isKnown={known}
        value={amount(refused)}
        tone={refused > 0 ? "bad" : undefined}
        note={refused > 0 ? "the source refuses the login" : "no login was refused"}
      />
      <Figure
        name="Agents online"
        href={to("/agents")}
        isKnown={known}
        value={amount(agents.filter(({ status }) => status === "online").length)}
        of={amount(agents.length)}
      />
      <Figure
        name="Backlog at the plants"
        href={to("/connections", {}, "?sort=-backlog")}
        isKnown={known}
        value={backlog === 0 ? "none" : bytes(backlog)}
        note={waiting === 0 ? "everything was delivered" : `of ${counted(waiting, "connection")}`}
      />
      <Freshness syncs={picture?.syncs} />
    </div>
  );
}

function Figure(props: {
  readonly name: string;
  readonly href?: string;
  readonly isKnown: boolean;
  readonly value: string;
  readonly of?: string;
  readonly tone?: Tone | undefined;
  readonly note?: ComponentChildren;
}) {
  const content = (
    <>
      <span class="name">{props.name}</span>
      {props.isKnown ? (
        <span class="value">
          {props.value}
          {props.of !== undefined && <small> of {props.of}</small>}
        </span>
      ) : (
        <span class="value">
          <span class="skeleton" />
        </span>
      )}
      <span class="note">{props.isKnown && props.note}</span>
    </>
  );
  if (props.href === undefined)
    return (
      <div class="card figure" data-tone={props.tone}>
        {content}
      </div>
    );
  return (
    <a class="card figure" href={props.href} data-tone={props.tone}>
      {content}
    </a>
  );
}

function StateBar({
  states,
  all,
}: {
  readonly states: ReadonlyMap<string, readonly unknown[]>;
  readonly all: number;
}) {
  const parts = [...states].map(([status, rows]) => {
    const { label, tone } = statusLook(status);
    return { title: label.toLowerCase(), tone, count: rows.length };
  });
  return <Bar parts={parts} all={all} />;
}

function Freshness({ syncs }: { readonly syncs: readonly SyncStatus[] | undefined }) {
  const all = syncs?.length ?? 0;
  const classes = freshnessOf(syncs ?? [], Date.now());
  const fresh = classes[0]?.count ?? 0;
  return (
    <Figure
      name="Syncs fresh"
      isKnown={syncs !== undefined}
      value={amount(fresh)}
      of={amount(all)}
      note={<Bar parts={classes} all={all} />}
    />
  );
}

function Bar(props: {
  readonly parts: readonly { readonly title: string; readonly tone: Tone; readonly count: number }[];
  readonly all: number;
}) {
  const parts = props.parts.filter(({ count }) => count > 0);
  if (props.all === 0) return null;
  return (
    <>
      <span class="bar" aria-hidden="true">
        {parts.map(({ title, tone, count }) => (
          <span key={title} data-tone={tone} style={{ flexGrow: count }} />
        ))}
      </span>
      {parts.map(({ title, count }) => `${amount(count)} ${title}`).join(" · ")}
    </>
  );
}

function NeedsAttention({ picture }: { readonly picture: Picture | undefined }) {
  const all = picture && attentionOf(picture.connections, picture.syncs, picture.agents);
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
          text="Every connection is in touch and every sync goes through."
        />
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
          and {amount(all.length - MAX_ATTENTION)} more: <a href={to("/connections")}>all connections</a>
        </div>
      )}
    </Card>
  );
}

function AttentionRow({ item }: { readonly item: Attention }) {
  const { tone, title, detail, advice, since, connectionId } = item;
  const href = connectionId === undefined ? to("/agents") : to("/connections/:id", { id: connectionId });
  return (
    <li data-tone={tone}>
      <Icon name="warning" />
      <div>
        <a href={href}>{title}</a>
        {detail !== "" && <p>{detail}</p>}
        {advice !== undefined && <p class="advice">{advice}</p>}
      </div>
      <span class="muted small">{since === null ? "" : <Time at={since} />}</span>
    </li>
  );
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
        <Command text="millrace-relay connection create --workspace acme --name sandbox --sandbox" />
      </EmptyState>
    </Card>
  );
}
