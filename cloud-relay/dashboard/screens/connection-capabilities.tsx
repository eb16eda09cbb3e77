// What a connection can do: per entity what is read and written, by the plant's own policy; and the queries it names.
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { useResource } from "../api/resource.ts";
import { Badge } from "../parts/badge.tsx";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { Icon } from "../parts/icon.tsx";
import { KeyValue } from "../parts/key-value.tsx";
import { EmptyState, ProblemNotice } from "../parts/notice.tsx";
import { Card } from "../parts/page.tsx";
import { wordsOf, type Tone } from "../parts/status.ts";
import type { ConnectionTabProps } from "./connection.tsx";

type EntityCapability = Schema<"Capabilities">["entities"][number];
type Operation = EntityCapability["operations"][number];

const POLICIES: Readonly<Record<string, { readonly text: string; readonly tone: Tone }>> = {
  apply: { text: "at once", tone: "good" },
  hold: { text: "after approval at the plant", tone: "warn" },
  window: { text: "in stated hours", tone: "info" },
  refuse: { text: "refused", tone: "idle" },
};

const COLUMNS: readonly Column<EntityCapability>[] = [
  {
    key: "entity",
    title: "Entity",
    sort: (row) => row.entity,
    cell: (row) => <strong>{wordsOf(row.entity)}</strong>,
  },
  { key: "read", title: "Read", cell: (row) => <Yes is={row.read} /> },
  { key: "live", title: "Live read", cell: (row) => <Yes is={row.live} /> },
  {
    key: "writes",
    title: "Writes",
    cell: (row) => (
      <div class="stack tight">
        {row.operations.map((operation) => (
          <OperationLine key={operation.operation} operation={operation} />
        ))}
        {row.read_only_reason !== null && <span class="muted">{row.read_only_reason}</span>}
      </div>
    ),
  },
];

export function ConnectionCapabilities({ connection }: ConnectionTabProps) {
  const { id } = connection;
  const { data, problem, reload } = useResource(
    `capabilities ${id}`,
    (signal) => unwrap(api.GET("/v1/connections/{id}/capabilities", { params: { path: { id } }, signal })),
    { on: ["mapping.changed", "connection.online"] },
  );
  if (problem !== undefined) return <ProblemNotice problem={problem} onRetry={reload} />;
  if (data?.known === false)
    return (
      <EmptyState
        icon="settings"
        title="Not known yet"
        text="The agent describes the connection when it first connects. What may be written is decided in the plant's own file; nothing, unless it says so."
      />
    );
  return (
    <>
      {data !== undefined && (
        <Card>
          <div class="facts">
            <KeyValue
              items={[
                ["Connector", data.connector],
                ["Pack", data.pack],
                ["Mapping", <code>{data.mapping_version}</code>],
                ["Catalogue", data.browse ? "may be looked at" : "is closed"],
                ["Settings from here", data.settings_allowed.join(", ") || "none"],
              ]}
            />
          </div>
        </Card>
      )}
      <Card title="Entities" isFlush>
        <DataTable
          caption="What can be done with each entity"
          columns={COLUMNS}
          rows={data?.entities}
          rowKey={(row) => row.entity}
          empty={<EmptyState icon="circle" title="No entity" text="The plant's file names none." />}
        />
      </Card>
      {data !== undefined && data.queries.length > 0 && (
        <Card title="Queries that the plant names">
          <ul class="stack tight">
            {data.queries.map(({ query, description, parameters }) => (
              <li key={query}>
                <code>
                  {query}({parameters.map(({ name, type }) => `${name}: ${type}`).join(", ")})
                </code>
                <div class="small muted">{description}</div>
              </li>
            ))}
          </ul>
        </Card>
      )}
    </>
  );
}

function Yes({ is }: { readonly is: boolean }) {
  return (
    <span class={is ? "row" : "row muted"}>
      <Icon name={is ? "check" : "cross"} />
      {is ? "yes" : "no"}
    </span>
  );
}

function OperationLine({ operation }: { readonly operation: Operation }) {
  const { text, tone } = POLICIES[operation.policy] ?? { text: operation.policy, tone: "idle" };
  const names = operation.fields.map(({ name, required }) => (required ? `${name}*` : name));
  return (
    <details>
      <summary>
        <span class="mono">{operation.operation}</span> <Badge tone={tone}>{text}</Badge>
      </summary>
      <div class="small muted">
        {operation.reason !== null && <p>{operation.reason}</p>}
        {operation.windows.length > 0 && <p>{operation.windows.join("; ")}</p>}
        {names.length > 0 && <p>Takes {names.join(", ")} (* needed)</p>}
        {operation.children.map(({ name, fields }) => (
          <p key={name}>
            {name}: {fields.map((field) => (field.required ? `${field.name}*` : field.name)).join(", ")}
          </p>
        ))}
        <p>
          {operation.exactly_once
            ? "Never done twice: the source keeps a log of commands."
            : "The source keeps no log of commands: an answer that was lost leaves the outcome unknown."}
        </p>
      </div>
    </details>
  );
}
