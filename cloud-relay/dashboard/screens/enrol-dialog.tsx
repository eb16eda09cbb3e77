// The enrolment wizard: what the agent will serve, the command for the plant, and the moment when it is here.
import { useState } from "preact/hooks";
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { AskDialog } from "../parts/dialog.tsx";
import { Field } from "../parts/field.tsx";
import { EnrolWait } from "./enrol-wait.tsx";

type Connection = Schema<"Connection">;
type Code = Schema<"EnrollmentCode">;

interface Wanted {
  readonly ids: ReadonlySet<string>;
  readonly name: string;
  readonly customer: string;
}

const NOTHING: Wanted = { ids: new Set(), name: "", customer: "" };

/** `connections`: all there are; those that wait for an agent are offered. */
export function EnrolDialog(props: {
  readonly connections: readonly Connection[];
  readonly onClose: () => void;
}) {
  const [wanted, setWanted] = useState(NOTHING);
  const [code, setCode] = useState<Code>();
  const waiting = props.connections.filter(isWaiting);
  const isNew = wanted.name.trim() !== "";
  if (code !== undefined) return <EnrolWait code={code} onClose={props.onClose} />;
  return (
    <AskDialog
      title="Enrol an agent"
      action="Make the code"
      isReady={wanted.ids.size > 0 || isNew}
      onAsk={async () => setCode(await makeCode(wanted))}
      onClose={props.onClose}
    >
      <EnrolSteps current={1} />
      <p class="muted">
        An agent is the daemon in the plant network. It serves one or more connections, each to one source
        system. Choose those that wait, or name a new one.
      </p>
      {waiting.length > 0 && <Waiting rows={waiting} wanted={wanted} onChange={setWanted} />}
      <Field
        label={waiting.length > 0 ? "Or a new connection" : "Name of the connection"}
        hint="Short, and unique in the workspace: the agent's configuration binds the connection by it."
        control={(ids) => (
          <input
            {...ids}
            class="input mono"
            placeholder="maximo"
            maxLength={100}
            value={wanted.name}
            onInput={(event) => setWanted({ ...wanted, name: event.currentTarget.value })}
          />
        )}
      />
      {isNew && (
        <Field
          label="Customer"
          hint="Whose plant it is. May be left empty."
          control={(ids) => (
            <input
              {...ids}
              class="input"
              maxLength={200}
              value={wanted.customer}
              onInput={(event) => setWanted({ ...wanted, customer: event.currentTarget.value })}
            />
          )}
        />
      )}
    </AskDialog>
  );
}

export function EnrolSteps({ current }: { readonly current: 1 | 2 | 3 }) {
  const titles = ["What it serves", "At the plant", "It is here"];
  return (
    <ol class="steps" aria-label="Steps">
      {titles.map((title, index) => (
        <li key={title} aria-current={index + 1 === current ? "step" : undefined}>
          {title}
        </li>
      ))}
    </ol>
  );
}

function Waiting(props: {
  readonly rows: readonly Connection[];
  readonly wanted: Wanted;
  readonly onChange: (wanted: Wanted) => void;
}) {
  const { rows, wanted, onChange } = props;
  const toggle = (id: string): void => {
    const ids = new Set(wanted.ids);
    if (!ids.delete(id)) ids.add(id);
    onChange({ ...wanted, ids });
  };
  return (
    <fieldset class="field plain">
      <legend class="label">Connections that wait for an agent</legend>
      <div class="checks">
        {rows.map((row) => (
          <label class="check" key={row.id}>
            <input type="checkbox" checked={wanted.ids.has(row.id)} onChange={() => toggle(row.id)} />
            <span>
              {row.name}
              <span class="muted"> {row.customer ?? ""}</span>
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

function isWaiting({ kind, agent_id: agentId, disconnected_at: goneAt }: Connection): boolean {
  return kind === "agent" && agentId === null && goneAt === null;
}

/** A new connection that is there already was made by an earlier try whose code failed. @throws ApiError */
async function makeCode({ ids, name, customer }: Wanted): Promise<Code> {
  const connections = [...ids];
  if (name.trim() !== "") {
    const body = { name: name.trim(), ...(customer.trim() !== "" && { customer: customer.trim() }) };
    connections.push((await unwrap(api.POST("/admin/v1/connections", { body }))).id);
  }
  return unwrap(api.POST("/admin/v1/enrollment-codes", { body: { connections } }));
}
